"""How much content may be in memory across all sessions, and who waits for room.

A content reserves its full share before it may arrive, so that every content that has begun can
also finish: nobody holds room while waiting for more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["ByteBudget"]


class ByteBudget:
    """Octets that may be in memory at the same time, granted in the order of asking."""

    __slots__ = ("_limit", "_used", "_waiting")

    def __init__(self, limit: int) -> None:
        """Grant ``limit`` octets at most; one request larger than that gets them all."""
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()

    def limit(self, octets: int) -> None:
        """Grant this much from now on; what has been granted stays."""
        self._limit = octets
        self.give_back(0)

    @property
    def used(self) -> int:
        """Octets that are granted."""
        return self._used

    def take(self, octets: int) -> bool:
        """Reserve room at once; return False if there is none, or others were first."""
        if self._waiting or (self._used and self._used + octets > self._limit):
            return False
        self._used += octets
        return True

    def charge(self, octets: int) -> None:
        """Charge room that a content turned out to need; new requests wait longer for it."""
        self._used += octets

    def wait(self, octets: int, taken: Callable[[], None]) -> None:
        """Call ``taken`` once the room is reserved; it then belongs to the caller."""
        self._waiting.append((octets, taken))

    def forget(self, taken: Callable[[], None]) -> None:
        """Stop waiting, if the room was not granted yet."""
        self._waiting = deque(each for each in self._waiting if each[1] != taken)

    def give_back(self, octets: int) -> None:
        """Return reserved room."""
        self._used -= octets
        while self._waiting:
            wanted, taken = self._waiting[0]
            if self._used and self._used + wanted > self._limit:
                return
            self._waiting.popleft()
            self._used += wanted
            taken()
