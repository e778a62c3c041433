"""The outcome of sending: how far an attempt came, and what happened to each recipient."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from pillarbox.smtp.reply import Reply

__all__ = ["RecipientOutcome", "Stage"]


class Stage(Enum):
    """How far an attempt got, to explain a failure."""

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


class RecipientOutcome(Struct, frozen=True, gc=False):
    """The outcome for one recipient.

    ``reply`` is the peer's, or None if the connection failed; then ``reason`` says how.
    ``is_uncertain``: the whole content was sent, and its final reply never came. ``is_local``: we
    refused to send (the message cannot be sent to this peer as it is); ``reply`` is then ours and
    permanent.
    """

    is_delivered: bool
    stage: Stage
    reply: Reply | None
    reason: str = ""
    is_uncertain: bool = False
    is_local: bool = False
