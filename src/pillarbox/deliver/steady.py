"""Wall-clock time for schedules, made robust against clock jumps.

Due times are stored as wall-clock times, so the wall clock decides. But when it jumps back, mail
must not wait longer because of it; and when it jumps forward, no mail may expire untried.
"""

from __future__ import annotations

from typing import Final

from pillarbox.clock import Clock

__all__ = ["SteadyClock"]

_JUMP: Final = 3_600.0  # seconds; less is drift, or a machine that slept for a moment


class SteadyClock:
    """The wall clock for schedules: it never goes back during the life of this process."""

    def __init__(self, clock: Clock) -> None:
        """Read ``clock``; needs the running event loop."""
        self._clock = clock
        self._wall = clock.now()
        self._monotonic = clock.monotonic()
        self.jumped_at: float | None = None
        """The time right after the last forward jump of more than an hour."""

    def now(self) -> float:
        """Return seconds since 1970, not less than at the last call plus what went by since."""
        wall, monotonic = self._clock.now(), self._clock.monotonic()
        expected = self._wall + monotonic - self._monotonic
        if wall > expected + _JUMP:
            self.jumped_at = wall
        self._wall, self._monotonic = max(wall, expected), monotonic
        return self._wall
