"""How the queue summary sorts recipients by the age of their message.

The age is that of the message's id (``ids.id_time``), which is made when the message is
accepted: so a count over a million recipients never has to read their messages.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from pillarbox.store.ids import first_id_at
from pillarbox.store.port import MessageId

__all__ = ["AGE_LIMITS", "age_bounds", "age_bucket"]

AGE_LIMITS: Final = tuple(minutes * 60.0 for minutes in (5, 10, 20, 40, 80, 160, 320, 640, 1280))
"""Seconds; ``QueueCount.ages`` has one number for each, and one for what is older."""


_TICK: Final = 0.001  # the time in an id counts milliseconds


def age_bucket(age: float) -> int:
    """Return the place in ``QueueCount.ages`` of a message that is ``age`` seconds old."""
    return bisect_right(AGE_LIMITS, age)


def age_bounds(now: float) -> tuple[MessageId, ...]:
    """Return, for each limit, the lowest id of the messages that are younger than it."""
    return tuple(first_id_at(now - limit + _TICK) for limit in AGE_LIMITS)
