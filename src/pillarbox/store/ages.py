"""Classifies recipients by the age of their message, for the queue summary.

The age is taken from the message's id (``ids.id_time``), which is made when the message is
accepted, so a count over a million recipients never has to read their messages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from pillarbox.policy.queue import RecipientState
from pillarbox.store.ids import first_id_at, id_time
from pillarbox.store.port import MessageId, QueueCount

__all__ = ["AGE_LIMITS", "AgeTally", "age_bounds", "age_bucket"]

AGE_LIMITS: Final = tuple(minutes * 60.0 for minutes in (5, 10, 20, 40, 80, 160, 320, 640, 1280))
"""Seconds; ``QueueCount.ages`` has one number for each, and one for what is older."""


_TICK: Final = 0.001  # the time in an id counts milliseconds


def age_bucket(age: float) -> int:
    """Return the index in ``QueueCount.ages`` for a message that is ``age`` seconds old."""
    return bisect_right(AGE_LIMITS, age)


def age_bounds(now: float) -> tuple[MessageId, ...]:
    """Return, for each limit, the lowest id of younger messages."""
    return tuple(first_id_at(now - limit + _TICK) for limit in AGE_LIMITS)


class AgeTally:
    """Adds up what ``count`` returns."""

    def __init__(self, now: float) -> None:
        """Count with ages as of ``now`` (wall clock)."""
        self._now = now
        self._ages: dict[tuple[str, RecipientState], list[int]] = {}
        self._oldest: dict[tuple[str, RecipientState], MessageId] = {}

    def add_many(
        self,
        destination: str,
        state: RecipientState,
        total: int,
        younger: Sequence[int],
        oldest: MessageId,
    ) -> None:
        """Add a database's counts: all, and those younger than each limit."""
        key = destination, state
        ages = self._counts(key, oldest)
        for bucket, (upper, lower) in enumerate(zip((*younger, total), (0, *younger), strict=True)):
            ages[bucket] += upper - lower

    def add_one(
        self, destination: str, state: RecipientState, message: MessageId, *, is_due: bool
    ) -> None:
        """Add a recipient that is in flight, uncertain or held."""
        bucket = age_bucket(self._now - id_time(message))
        if is_due:  # it was counted with what is queued
            self._ages[destination, RecipientState.QUEUED][bucket] -= 1
        elif state is RecipientState.UNCERTAIN:
            return  # for good: it counts as final
        self._counts((destination, state), message)[bucket] += 1

    def _counts(self, key: tuple[str, RecipientState], message: MessageId) -> list[int]:
        self._oldest[key] = min(self._oldest.get(key, message), message)
        return self._ages.setdefault(key, [0] * (len(AGE_LIMITS) + 1))

    def result(self) -> tuple[QueueCount, ...]:
        """Return the counts by destination and state."""
        return tuple(
            QueueCount(*key, tuple(ages), id_time(self._oldest[key]))
            for key, ages in sorted(self._ages.items())
            if any(ages)
        )
