"""What a client connection tells its driver."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.reply import Reply

__all__ = ["ClientEvent", "CommandAnswered", "ConnectionEnded", "ContentWanted", "MessageSettled"]


class CommandAnswered(Struct, frozen=True, gc=False):
    """The server has greeted (``GREETING``) or answered EHLO (``HELLO``), STARTTLS (``TLS``)
    or AUTH (``AUTH``). After a positive reply to STARTTLS the driver makes the handshake and
    calls ``tls_started``.
    """

    stage: Stage
    reply: Reply


class ContentWanted(Struct, frozen=True, gc=False):
    """The server waits for the content: call ``send_content`` until ``end_content``."""


class MessageSettled(Struct, frozen=True, gc=False, kw_only=True):
    """A transaction is over: one outcome for each recipient, in the envelope's order."""

    outcomes: tuple[RecipientOutcome, ...]
    is_reusable: bool
    dsn_passed_on: bool
    conversation: Sequence[str]
    chunking_failed: bool = False  # the offered CHUNKING does not work, nobody got it: use DATA


class ConnectionEnded(Struct, frozen=True, gc=False):
    """The connection can no longer be used; ``reply`` is a 421, if the server sent one.

    ``is_orderly``: QUIT was answered, so TLS may be closed properly.
    """

    reason: str
    reply: Reply | None = None
    is_orderly: bool = False


ClientEvent = CommandAnswered | ContentWanted | MessageSettled | ConnectionEnded
