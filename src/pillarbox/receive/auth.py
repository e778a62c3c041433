"""Who guesses passwords waits longer each time, and is not asked any more for a while."""

from __future__ import annotations

from typing import Final

__all__ = ["Guesses"]

_CLIENTS: Final = 100_000
_FREE_GUESSES: Final = 1
_LONGEST_DELAY: Final = 8.0
_FORGIVE_EVERY: Final = 60.0  # seconds until one failure is forgotten
_MOST_GUESSES: Final = 20


class Guesses:
    """Counts failed logins by client, in a bounded table, so that guessing gets slow."""

    __slots__ = ("_clients", "_step")

    def __init__(self, step: float = 1.0) -> None:
        """Delay the answer to the second failure by ``step`` seconds, then twice as long."""
        self._step = step
        self._clients: dict[str | bytes, tuple[float, float]] = {}  # failures, counted when

    def failed(self, key: str | bytes, now: float) -> float:
        """Count a failure; return the seconds to wait before it is answered."""
        failures = self._failures(key, now) + 1
        self._clients.pop(key, None)
        if len(self._clients) >= _CLIENTS:
            del self._clients[next(iter(self._clients))]
        self._clients[key] = (failures, now)
        counted = round(failures)  # one a moment ago still counts as one
        if counted <= _FREE_GUESSES:
            return 0.0
        return min(self._step * (1 << min(counted - _FREE_GUESSES - 1, 10)), _LONGEST_DELAY)

    def are_too_many(self, key: str | bytes, now: float) -> bool:
        """Whether a client has failed so often that it is not asked any more for a while."""
        return self._failures(key, now) >= _MOST_GUESSES

    def _failures(self, key: str | bytes, now: float) -> float:
        failures, when = self._clients.get(key, (0.0, now))
        return max(failures - (now - when) / _FORGIVE_EVERY, 0.0)
