"""The notes port: small values that parts of a node store, by kind and key.

A fetched policy, a client seen before, a count for a report: none of it is mail, all of it expires
by itself, and losing one costs a lookup. On PostgreSQL all nodes share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Note", "NoteStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One value."""

    kind: str  # whose it is: "mta-sts", "greylist"
    key: str
    value: bytes = b""
    amount: int = 0  # what ``add`` counts
    expires_at: float  # wall clock; from here on it is gone


class NoteStore(Protocol):
    """Storage of notes. All methods raise ``StoreUnavailable`` when the store is down."""

    async def get(self, kind: str, key: str, *, now: float) -> Note | None:
        """Return a note that has not expired."""
        ...

    async def all(self, kind: str, *, now: float) -> tuple[Note, ...]:
        """Return the notes of a kind that have not expired, by their keys."""
        ...

    async def put(self, notes: Sequence[Note]) -> None:
        """Write notes, replacing those with their kinds and keys."""
        ...

    async def add(self, notes: Sequence[Note], *, now: float) -> tuple[int, ...]:
        """Add the amounts to what is kept, in one step that no other node disturbs.

        An expired note counts from 0. The value and the end of each note replace what was.

        Returns:
            The new amounts, in the order of ``notes``.
        """
        ...

    async def remove(self, kind: str, keys: Sequence[str]) -> None:
        """Remove notes; missing ones are ignored."""
        ...

    async def sweep(self, *, now: float) -> int:
        """Remove expired notes, a bounded number at a time; return how many."""
        ...
