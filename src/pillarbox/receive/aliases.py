"""Expands recipients: aliases, forwards, catch-alls (RFC 5321 §3.9.1)."""

from __future__ import annotations

from msgspec.structs import replace

from pillarbox.policy.recipients import Resolution
from pillarbox.smtp.client_commands import xtext
from pillarbox.smtp.envelope import Envelope, Notify, Recipient

__all__ = ["Aliases", "expand", "without_aliases"]

Aliases = dict[Recipient, tuple[Recipient, ...]]
"""What the accepted recipients of a transaction stand for, those that are aliases."""


def expand(recipient: Recipient, resolution: Resolution) -> tuple[Recipient, ...]:
    """Return the recipients that an alias stands for.

    They keep the sender's DSN parameters, and the address they were given for (RFC 3461 §5.2.7). Of
    several targets only one reports success: the sender wrote to one address, and is told once
    (§5.2.7.3 (b)), while each of them may fail.
    """
    original = recipient.original
    if original is None:
        address = xtext(str(recipient.address))
        original = None if address is None else f"rfc822;{address}"
    first, *others = (destination.address for destination in resolution.destinations)
    quiet = _without_success(recipient.notify)
    return (
        Recipient(first, recipient.notify, original),
        *(Recipient(other, quiet, original) for other in others),
    )


def _without_success(notify: Notify | None) -> Notify | None:
    if notify is None or Notify.SUCCESS not in notify:
        return notify
    return notify & ~Notify.SUCCESS or Notify.NEVER


def without_aliases(envelope: Envelope, aliases: Aliases | None) -> Envelope:
    """Return the envelope with every alias replaced by what it stands for."""
    if not aliases:
        return envelope
    recipients = (
        target
        for recipient in envelope.recipients
        for target in aliases.get(recipient, (recipient,))
    )
    return replace(envelope, recipients=tuple(recipients))
