"""Rates: how many of something in how long, as a token bucket in two numbers.

A bucket holds ``amount`` tokens and refills evenly, ``amount`` in each ``period``. Stored are its
level (the tokens used up) and when it was that high. In addition, use is counted in windows of one
period, so that a level can be restored after a restart, and so that nodes that share a rate can
tell each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["LONGEST_PERIOD", "SHORTEST_PERIOD", "Rate", "parse_rate"]

SHORTEST_PERIOD: Final = 1.0
LONGEST_PERIOD: Final = 7 * 86_400.0
_MOST: Final = 10**12
_UNITS: Final = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3_600.0,
    "hour": 3_600.0,
    "d": 86_400.0,
    "day": 86_400.0,
}
_RATE: Final = re.compile(r"\s*([0-9]{1,13})\s*/\s*([0-9]{1,7})?\s*([a-z]+?)s?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """``amount`` in ``period`` seconds."""

    amount: int
    period: float

    def __str__(self) -> str:
        for name in ("day", "hour", "minute", "second"):
            number, rest = divmod(self.period, _UNITS[name])
            if not rest:
                return f"{self.amount} per {name if number == 1 else f'{number:.0f} {name}s'}"
        return f"{self.amount} per {self.period:g} seconds"

    def level(self, level: float, elapsed: float) -> float:
        """Return the level of a bucket after a time.

        Args:
            level: Its level before.
            elapsed: Seconds since; a clock that was set back counts as none.
        """
        if elapsed <= 0.0:
            return level
        left = level - elapsed * self.amount / self.period
        return max(0.0, left)

    def wait(self, level: float, wanted: int = 1) -> float:
        """Return the seconds until ``wanted`` tokens are there; 0 if they are there now.

        A wish larger than the bucket is granted when the bucket is full.
        """
        room = max(self.amount - wanted, 0)
        # A clock's rounding keeps nobody out who was told to come at this moment.
        over = level - room
        return over * self.period / self.amount if over > 1e-6 else 0.0  # noqa: PLR2004

    def window(self, now: float) -> int:
        """Return the number of the window that contains a wall-clock time."""
        return int(now // self.period)

    def window_end(self, window: int) -> float:
        """Return when the counts of a window stop mattering."""
        return (window + 2) * self.period

    def estimate(self, before: int, current: int, now: float) -> float:
        """Return the level that corresponds to counts.

        Args:
            before: Count of the previous window, which is taken to be evenly spread.
            current: Count of this window.
            now: The wall clock.
        """
        share = now / self.period - self.window(now)
        return before * (1.0 - share) + current


def parse_rate(text: str) -> Rate | None:
    """Parse ``100/min``, ``20/10 s`` or ``5000 / day``; None if malformed."""
    match = _RATE.fullmatch(text.lower())
    if match is None or match[3] not in _UNITS:
        return None
    amount, period = int(match[1]), int(match[2] or 1) * _UNITS[match[3]]
    if not 0 < amount <= _MOST or not SHORTEST_PERIOD <= period <= LONGEST_PERIOD:
        return None
    return Rate(amount, period)
