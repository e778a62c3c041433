"""Expands recipients: aliases, forwards, catch-alls (RFC 5321 §3.9.1)."""

from __future__ import annotations

from msgspec.structs import replace

from pillarbox.policy.recipients import Resolution
from pillarbox.smtp.client_commands import xtext
from pillarbox.smtp.envelope import Envelope, Recipient

__all__ = ["Aliases", "expand", "without_aliases"]

Aliases = dict[Recipient, tuple[Recipient, ...]]
"""What the accepted recipients of a transaction stand for, those that are aliases."""


def expand(recipient: Recipient, resolution: Resolution) -> tuple[Recipient, ...]:
    """Return the recipients that an alias stands for.

    They keep what the sender asked for, and the address it was asked for (RFC 3461 §5.2.7).
    """
    original = recipient.original
    if original is None:
        address = xtext(str(recipient.address))
        original = None if address is None else f"rfc822;{address}"
    return tuple(
        Recipient(destination.address, recipient.notify, original)
        for destination in resolution.destinations
    )


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
