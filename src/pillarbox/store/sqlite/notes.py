"""Notes in the file; written in the writer's thread, read in the reader's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pillarbox.store.notes import Note
from pillarbox.store.sqlite.credentials import Execute, Threads
from pillarbox.store.statements import statements

__all__ = ["SqliteNotes"]

SQL: Final = statements("pillarbox.store.sqlite", "notes.sql")
_SWEPT_AT_ONCE: Final = 10_000


class SqliteNotes:
    """Keeps notes in the file."""

    def __init__(self, threads: Threads) -> None:
        """Use the file by its threads."""
        self._threads = threads

    async def get(self, kind: str, key: str, *, now: float) -> Note | None:
        """Return a note that has not expired."""
        row = await self._threads.read(
            lambda execute: execute(SQL["get"], (kind, key, now)).fetchone()
        )
        return None if row is None else _note(row)

    async def all(self, kind: str, *, now: float) -> tuple[Note, ...]:
        """Return the notes of a kind that have not expired, by their keys."""
        rows = await self._threads.read(lambda execute: execute(SQL["all"], (kind, now)).fetchall())
        return tuple(map(_note, rows))

    async def put(self, notes: Sequence[Note]) -> None:
        """Keep notes in the place of those with their kinds and keys."""

        def write(execute: Execute) -> None:
            for note in notes:
                execute(SQL["put"], _row(note))

        await self._threads.write(write)

    async def add(self, notes: Sequence[Note], *, now: float) -> tuple[int, ...]:
        """Add the amounts to what is kept."""

        def write(execute: Execute) -> tuple[int, ...]:
            return tuple(
                int(execute(SQL["add"], (*_row(note), now)).fetchone()[0]) for note in notes
            )

        return await self._threads.write(write)

    async def remove(self, kind: str, keys: Sequence[str]) -> None:
        """Forget notes."""

        def write(execute: Execute) -> None:
            for key in keys:
                execute(SQL["remove"], (kind, key))

        await self._threads.write(write)

    async def sweep(self, *, now: float) -> int:
        """Forget what has expired, a bounded number at a time."""
        return await self._threads.write(
            lambda execute: len(execute(SQL["sweep"], (now, _SWEPT_AT_ONCE)).fetchall())
        )


def _row(note: Note) -> tuple[Any, ...]:
    return note.kind, note.key, note.value, note.amount, note.expires_at


def _note(row: Sequence[Any]) -> Note:
    kind, key, value, amount, expires_at = row
    return Note(kind=kind, key=key, value=bytes(value), amount=amount, expires_at=expires_at)
