"""A deadline that is only checked when it might have passed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

__all__ = ["Deadline"]


class Deadline:
    """Calls back once the moment that its owner names has passed.

    The owner may postpone the moment as often as it likes without notice: it is asked when the
    timer fires, which happens at the latest ``most`` seconds after it was armed. Only an earlier
    moment has to be announced with ``watch``.
    """

    __slots__ = ("_due", "_expired", "_loop", "_most", "_timer", "_timer_at")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        due: Callable[[], float],
        expired: Callable[[], None],
        most: float,
    ) -> None:
        """Hold no timer yet.

        Args:
            loop: Whose clock is meant.
            due: Returns the moment; infinity if there is none now.
            expired: Called when it has passed.
            most: Seconds; best the shortest of the usual limits.
        """
        self._loop = loop
        self._due = due
        self._expired = expired
        self._most = most
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def watch(self, at: float) -> None:
        """Check at this time of the loop's clock, or earlier."""
        if at < self._timer_at:
            self.cancel()
            self._arm(at)

    def cancel(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = inf

    def _arm(self, at: float) -> None:
        self._timer_at = min(at, self._loop.time() + self._most)
        self._timer = self._loop.call_at(self._timer_at, self._went_off)

    def _went_off(self) -> None:
        self._timer, self._timer_at = None, inf
        due = self._due()
        if due > self._loop.time():
            self._arm(due)
        else:
            self._expired()
