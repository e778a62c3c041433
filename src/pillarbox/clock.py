"""The time, as the rest of pillarbox sees it.

There are two kinds of time. The *wall clock* says when a message was
accepted and when it is due again; it may jump. The *monotonic clock* measures
timeouts and deadlines; it is the event loop's own clock, so that a loop on
virtual time (``pillarbox.lab``) moves every deadline with it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where time is read. Sleeping is asyncio's, on the loop that this clock reads."""

    def now(self) -> float:
        """Return the wall clock in seconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backward, on the scale of the event loop."""
        ...


class SystemClock:
    """The machine's clock and the running event loop's."""

    def now(self) -> float:
        """Return the wall clock in seconds since 1970-01-01T00:00:00Z."""
        return time.time()  # noqa: TID251 - the one place that reads it

    def monotonic(self) -> float:
        """Return the event loop's time in seconds."""
        return asyncio.get_running_loop().time()
