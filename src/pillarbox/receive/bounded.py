"""A table that never outgrows its size, whoever fills it, and evicts at no cost.

It has two halves. When the new one is full it becomes the old one, and the old one is discarded as
a whole: evicting the oldest entry of a large dict one by one would walk over all that were evicted
before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["BoundedTable"]

K = TypeVar("K")
V = TypeVar("V")


class BoundedTable(Generic[K, V]):
    """Retains at least the ``size / 2`` most recent entries, and at most ``size``."""

    __slots__ = ("_half", "_new", "_old")

    def __init__(self, size: int) -> None:
        """Retain ``size`` entries."""
        self._half = max(size // 2, 1)
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def __bool__(self) -> bool:
        return bool(self._new or self._old)

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        found = self._new.get(key)
        return self._old.get(key) if found is None else found

    def put(self, key: K, value: V) -> None:
        """Store a value, which makes its key the most recent."""
        new = self._new
        if key not in new:
            self._old.pop(key, None)
            if len(new) >= self._half:
                self._old, self._new = new, {}
                new = self._new
        new[key] = value

    def pop(self, key: K) -> V | None:
        """Forget a key; return its value, or None."""
        found = self._new.pop(key, None)
        return self._old.pop(key, None) if found is None else found

    def values(self) -> Iterator[V]:
        """Yield all values."""
        yield from self._old.values()
        yield from self._new.values()
