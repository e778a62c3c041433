"""A time limit that moves: one timer, armed anew only when it goes off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

__all__ = ["Deadline"]


class Deadline:
    """Calls back once a moment has passed that keeps being put off.

    Putting it off costs an assignment. That needs the timer to go off now and then, at the
    latest ``most`` seconds after it was armed; nearer moments arm it anew.
    """

    __slots__ = ("_at", "_expired", "_loop", "_most", "_timer", "_timer_at")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None], most: float
    ) -> None:
        """Set no limit yet.

        Args:
            loop: Whose time is meant.
            expired: Called when the limit has passed.
            most: Seconds; best the shortest of the usual limits.
        """
        self._loop = loop
        self._expired = expired
        self._most = most
        self._at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    @property
    def at(self) -> float:
        """The moment, on the loop's clock; infinity if there is no limit."""
        return self._at

    def move_to(self, at: float) -> None:
        """Set the limit to a moment on the loop's clock; infinity lifts it."""
        self._at = at
        if at < self._timer_at:
            self._arm()

    def cancel(self) -> None:
        """Set no limit, and hold no timer."""
        self._at = self._timer_at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = min(self._at, self._loop.time() + self._most)
        self._timer = self._loop.call_at(self._timer_at, self._went_off)

    def _went_off(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._at > self._loop.time():
            self._arm()
        else:
            self._at = inf
            self._expired()
