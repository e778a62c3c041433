"""The door's replies when it does not accept a message.

A limit of ours that can be waited out is a 4xx; a fault of the message is a 5xx (RFC 5321 §4.2.1,
RFC 3463 §3).
"""

from __future__ import annotations

from typing import Final

from pillarbox.errors import PillarboxError
from pillarbox.smtp.reply import Reply
from pillarbox.store.port import Fenced, StoreFull, StoreUnavailable

__all__ = [
    "LOOP",
    "NOT_KEPT",
    "NO_MEMORY",
    "NO_ROOM",
    "STORE_DOWN",
    "refusal_of",
]

NO_ROOM: Final = Reply.of(452, "4.3.1", "Insufficient system storage, try again later")
NO_MEMORY: Final = Reply.of(421, "4.3.2", "System is short of memory, try again", closes=True)
STORE_DOWN: Final = Reply.of(451, "4.3.0", "Mail cannot be stored now, try again later")
NOT_KEPT: Final = Reply.of(554, "5.3.0", "The message cannot be stored")
LOOP: Final = Reply.of(554, "5.4.6", "Too many hops: the message is in a loop")


def refusal_of(error: BaseException) -> Reply:
    """Return the reply for a message that the store did not keep."""
    if isinstance(error, StoreFull):
        return NO_ROOM
    # A fenced node stops; whoever has taken over will accept the message.
    if isinstance(error, StoreUnavailable | Fenced):
        return STORE_DOWN
    if isinstance(error, PillarboxError):
        return NOT_KEPT
    return STORE_DOWN  # a defect of ours: the message may be fine
