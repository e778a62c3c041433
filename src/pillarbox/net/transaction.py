"""A mail transaction as its sender sees it: the request and the result."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct

from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.envelope import Envelope

__all__ = ["Content", "RecipientOutcome", "Stage", "Transaction", "TransactionResult"]


class Content(Struct, frozen=True, gc=False):
    """A message's content, in memory or to be read in chunks.

    ``octets`` is set for what is in memory. Otherwise ``read`` opens it from its start.
    Every line end is a CRLF; dots are not stuffed.
    """

    size: int
    octets: bytes | None = None
    read: Callable[[], AsyncIterator[bytes]] | None = None


class Transaction(Struct, frozen=True, gc=False, kw_only=True):
    """One message for some recipients of one site."""

    envelope: Envelope
    content: Content
    has_8bit: bool = False


class TransactionResult(Struct, frozen=True, gc=False, kw_only=True):
    """The result of a transaction: one outcome for each recipient, in the envelope's order.

    ``conversation`` holds this transaction's lines, such as ``> MAIL FROM:<a@b>`` and
    ``< 250 ok``; what a ``Channel`` returns is formatted when it is first looked at.
    """

    outcomes: tuple[RecipientOutcome, ...]
    is_reusable: bool  # whether the connection can take another transaction
    chunking_failed: bool = False  # whether CHUNKING was offered but failed, so that DATA was used
    dsn_passed_on: bool = False  # whether the peer offered DSN and got the parameters
    conversation: Sequence[str] = ()
