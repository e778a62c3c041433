"""What a server connection tells its driver.

The driver feeds octets in and takes events out::

    connection.receive_data(octets)
    while (event := connection.next_event()) is not None:
        ...  # decide: connection.accept() or .refuse(reply)
    transport.write(connection.data_to_send())

Events marked *asks* stop the connection until the driver has called ``accept`` or
``refuse`` once: meanwhile ``next_event`` returns None, and what the client pipelines is
buffered (bounded: the driver stops reading). The driver may take as long as it needs, so the
answer to ``MessageEnded`` can wait for the disk. ``AuthLookup`` is answered by ``supply``.
"""

from __future__ import annotations

from msgspec import Struct

from pillarbox.smtp.address import ReversePath
from pillarbox.smtp.envelope import BodyType, Envelope, Recipient, Ret
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.claims import Claim, ScramRequest

__all__ = [
    "AuthAttempted",
    "AuthFailed",
    "AuthLookup",
    "CommandFailed",
    "ContentDiscarded",
    "ContentFacts",
    "ContentReceived",
    "ContentStarted",
    "HelloReceived",
    "MailReceived",
    "MessageEnded",
    "RecipientReceived",
    "ServerEvent",
    "SessionEnded",
    "TlsRequested",
    "TransactionReset",
    "VerifyReceived",
]


class HelloReceived(Struct, frozen=True, gc=False):
    """EHLO, HELO or LHLO came. *Asks*; accepting sends the built-in greeting and extensions."""

    name: str
    is_extended: bool


class TlsRequested(Struct, frozen=True, gc=False):
    """STARTTLS came. *Asks*; after accepting and sending, the driver upgrades the transport and
    calls ``tls_started``. Octets that followed the command in the clear are discarded.
    """


class AuthAttempted(Struct, frozen=True, gc=False):
    """A client says who it is and presents evidence. *Asks*; ``accept`` means authenticated.

    A ``ProofClaim`` that is not proven can only be refused.
    """

    mechanism: str
    claim: Claim

    @property
    def identity(self) -> str:
        """The identity that the client claims; "" if its token has to tell."""
        return self.claim.identity

    @property
    def authorization_identity(self) -> str:
        """The identity it wants to act as; "" if it does not say."""
        return self.claim.authorization_identity


class AuthLookup(Struct, frozen=True, gc=False):
    """A mechanism needs an identity's stored verifier. *Asks*; answered by ``supply`` or
    ``refuse``.

    An unknown identity is no reason to refuse: ``fake_verifier`` is what to supply for it.
    """

    mechanism: str
    request: ScramRequest


class AuthFailed(Struct, frozen=True, gc=False):
    """An AUTH exchange ended without a claim: canceled, malformed, unknown mechanism."""

    mechanism: str  # as the client wrote it, which may be anything
    reply: Reply
    reason: str = ""  # further detail; nothing that was sent


class MailReceived(Struct, frozen=True, gc=False):
    """MAIL came, well formed, allowed and within the size limit. *Asks*."""

    reverse_path: ReversePath
    size: int | None  # as declared (RFC 1870)
    body: BodyType
    smtputf8: bool
    ret: Ret | None
    envelope_id: str | None


class RecipientReceived(Struct, frozen=True, gc=False):
    """RCPT came. *Asks*; accepting adds it to the envelope."""

    recipient: Recipient


class ContentStarted(Struct, frozen=True, gc=False):
    """DATA or the first BDAT came with at least one recipient. *Asks*; accepting sends 354
    for DATA, and nothing for BDAT. ``size`` is what MAIL declared.
    """

    envelope: Envelope
    size: int | None


class ContentReceived(Struct, frozen=True, gc=False):
    """A piece of the content, dots already removed, every line end a CRLF."""

    data: bytes


class ContentFacts(Struct, frozen=True, gc=False):
    """What was observed while the content arrived, visiting each octet once."""

    size: int
    has_8bit: bool
    has_nul: bool
    has_long_lines: bool  # over 998 octets without CRLF (RFC 5322 §2.1.1)


class MessageEnded(Struct, frozen=True, gc=False):
    """The content is complete and well framed. *Asks*; accepting it means that it is on disk."""

    envelope: Envelope
    facts: ContentFacts


class ContentDiscarded(Struct, frozen=True, gc=False):
    """The content that was coming in is refused by the connection itself (too large, bare CR
    or LF, NUL) or was cut off; ``reply`` is what the client gets, None if nothing.
    """

    reply: Reply | None
    reason: str


class TransactionReset(Struct, frozen=True, gc=False):
    """A transaction was dropped before its content: RSET, EHLO, or the end of the session."""


class VerifyReceived(Struct, frozen=True, gc=False):
    """VRFY came. *Asks*; accepting sends 252 2.0.0 (RFC 5321 §3.5.3)."""

    text: str


class CommandFailed(Struct, frozen=True, gc=False):
    """The connection has refused a command by itself."""

    command: str  # the verb, or the escaped start of the line; never an AUTH argument
    reply: Reply


class SessionEnded(Struct, frozen=True, gc=False):
    """There is nothing more to read: send what is left, then close."""

    reason: str  # "quit", "end of input", "too many errors", "not smtp", ...


ServerEvent = (
    HelloReceived
    | TlsRequested
    | AuthAttempted
    | AuthFailed
    | AuthLookup
    | MailReceived
    | RecipientReceived
    | ContentStarted
    | ContentReceived
    | MessageEnded
    | ContentDiscarded
    | TransactionReset
    | VerifyReceived
    | CommandFailed
    | SessionEnded
)
