"""One mail transaction as seen by the side that sends it: what is asked, what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import Enum

from pillarbox.smtp.envelope import Envelope
from pillarbox.smtp.reply import Reply

__all__ = ["Content", "RecipientOutcome", "Stage", "Transaction", "TransactionResult"]


class Stage(Enum):
    """How far an attempt had come; failures are explained by it."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    GREETING = "greeting"
    TLS = "tls"
    HELLO = "hello"
    AUTH = "auth"
    MAIL = "mail"
    RECIPIENT = "recipient"
    DATA = "data"  # DATA or BDAT was sent, the content perhaps in part
    FINAL = "final"  # the whole content was sent, the final dot included


@dataclass(frozen=True, slots=True)
class Content:
    """A message's content, in memory or to be read in chunks.

    ``octets`` is set for what is in memory. Otherwise ``read`` opens it from its start.
    Every line end is a CRLF; dots are not stuffed.
    """

    size: int
    octets: bytes | None = None
    read: Callable[[], AsyncIterator[bytes]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One message for some recipients of one site."""

    envelope: Envelope
    content: Content
    has_8bit: bool = False


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """What came of one recipient.

    ``reply`` is the peer's, or None where the connection failed; then ``reason`` says how.
    ``is_uncertain``: the whole content was sent, and no reply came to its end.
    ``is_local``: the failure is of our own making (cannot be sent to this peer as it is);
    ``reply`` then is ours and permanent.
    """

    is_delivered: bool
    stage: Stage
    reply: Reply | None
    reason: str = ""
    is_uncertain: bool = False
    is_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionResult:
    """What came of a transaction: one outcome for each recipient, in the envelope's order."""

    outcomes: tuple[RecipientOutcome, ...]
    is_reusable: bool  # whether the connection can take another transaction
    dsn_passed_on: bool = False  # whether the peer offered DSN and got the parameters
    conversation: tuple[str, ...] = ()  # this transaction's lines: "> MAIL FROM:<a@b>", "< 250 ok"
