"""Notes in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.notes import Note

__all__ = ["MemoryNotes"]


class MemoryNotes:
    """Keeps notes on a ``MemoryDisk``."""

    def __init__(self, disk: MemoryDisk, check: Callable[[], None]) -> None:
        """Keep them on ``disk``; ``check`` raises where the store cannot be used."""
        self._disk = disk
        self._check = check

    async def get(self, kind: str, key: str, *, now: float) -> Note | None:
        """Return a note that has not expired."""
        self._check()
        note = self._disk.notes.get((kind, key))
        return note if note is not None and now < note.expires_at else None

    async def all(self, kind: str, *, now: float) -> tuple[Note, ...]:
        """Return the notes of a kind that have not expired, by their keys."""
        self._check()
        found = (note for note in self._disk.notes.values() if note.kind == kind)
        live = (note for note in found if now < note.expires_at)
        return tuple(sorted(live, key=lambda note: note.key))

    async def put(self, notes: Sequence[Note]) -> None:
        """Keep notes in the place of those with their kinds and keys."""
        self._check()
        for note in notes:
            self._disk.notes[note.kind, note.key] = note

    async def add(self, notes: Sequence[Note], *, now: float) -> tuple[int, ...]:
        """Add the amounts to what is kept."""
        self._check()
        amounts = []
        for note in notes:
            known = await self.get(note.kind, note.key, now=now)
            amounts.append(note.amount + (known.amount if known else 0))
            self._disk.notes[note.kind, note.key] = replace(note, amount=amounts[-1])
        return tuple(amounts)

    async def remove(self, kind: str, keys: Sequence[str]) -> None:
        """Forget notes."""
        self._check()
        for key in keys:
            self._disk.notes.pop((kind, key), None)

    async def sweep(self, *, now: float) -> int:
        """Forget what has expired."""
        self._check()
        gone = [place for place, note in self._disk.notes.items() if note.expires_at <= now]
        for place in gone:
            del self._disk.notes[place]
        return len(gone)
