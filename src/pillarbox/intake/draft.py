"""A message on its way through the door: its id, its envelope and its client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from pillarbox.message.trace import ReceivedTrace
from pillarbox.policy.ruling import Ruling
from pillarbox.policy.senders import Senders
from pillarbox.smtp.envelope import Envelope, Notify, Recipient, TlsRequired
from pillarbox.smtp.reply import Reply
from pillarbox.store.port import MessageId

__all__ = [
    "Answer",
    "Draft",
    "Kept",
    "Origin",
    "with_optional_tls",
    "without_doubles",
    "without_notices",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where messages come from; created once for all messages of a session."""

    name: str  # the listener's name, or "sendmail"
    is_submission: bool  # whether the message is new here, so that we complete its header
    trace: ReceivedTrace
    session: str = ""
    client: str = ""  # the peer's address, as text
    identity: str = ""  # who authenticated, "" for nobody
    helo: str = ""
    senders: Senders | None = None  # whom the header may name as author; None: anybody
    tls: str = ""  # version and cipher, "" without TLS


class Draft(Struct, frozen=True, gc=False, kw_only=True):
    """A message that has an id, and is not committed yet."""

    message: MessageId
    shown: str  # the id as people see it
    at: float  # when it came, seconds since 1970
    origin: Origin
    envelope: Envelope
    rulings: tuple[Ruling, ...] = ()  # what was said of the session and the envelope


class Kept(Struct, frozen=True, gc=False):
    """The message is on disk under this id."""

    message: MessageId
    shown: str  # the id as people see it


Answer = Callable[[Kept | Reply], None]
"""Called once: with ``Kept`` after the commit, or with the reply that refuses the message."""


def without_doubles(envelope: Envelope) -> Envelope:
    """Return an envelope that names each mailbox once; the first one's parameters stay."""
    if len(envelope.recipients) == 1:
        return envelope
    once: dict[tuple[str, str], Recipient] = {}
    for recipient in envelope.recipients:
        address = recipient.address
        once.setdefault((address.local_part, address.ascii_domain), recipient)
    if len(once) == len(envelope.recipients):
        return envelope
    return replace(envelope, recipients=tuple(once.values()))


def with_optional_tls(draft: Draft) -> Draft:
    """Return a message that prefers arriving in the clear to not arriving; REQUIRETLS takes
    precedence.
    """
    envelope = draft.envelope
    if envelope.tls_required is not TlsRequired.BY_POLICY:  # RFC 8689 §3
        return draft
    return replace(draft, envelope=replace(envelope, tls_required=TlsRequired.NO))


def without_notices(envelope: Envelope) -> Envelope:
    """Return an envelope for which nobody is ever notified (RFC 3461 §4.1).

    For a sender that may be forged: a notification would go to somebody who sent nothing.
    """
    recipients = tuple(replace(recipient, notify=Notify.NEVER) for recipient in envelope.recipients)
    return replace(envelope, recipients=recipients)
