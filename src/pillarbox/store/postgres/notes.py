"""Notes in the database, which all its nodes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from pillarbox.store.notes import Note
from pillarbox.store.postgres.link import Link
from pillarbox.store.statements import statements

__all__ = ["PostgresNotes"]

SQL: Final = statements("pillarbox.store.postgres", "notes.sql")
_SWEPT_AT_ONCE: Final = 10_000


class PostgresNotes:
    """Keeps notes in the database."""

    def __init__(self, link: Callable[[], Link]) -> None:
        """Use the link that is open now."""
        self._link = link

    async def get(self, kind: str, key: str, *, now: float) -> Note | None:
        """Return a note that has not expired."""
        async with self._link().use() as connection:
            row = await connection.fetchrow(SQL["get"], kind, key, now)
        return None if row is None else _note(row)

    async def all(self, kind: str, *, now: float) -> tuple[Note, ...]:
        """Return the notes of a kind that have not expired, by their keys."""
        async with self._link().use() as connection:
            return tuple(map(_note, await connection.fetch(SQL["all"], kind, now)))

    async def put(self, notes: Sequence[Note]) -> None:
        """Keep notes in the place of those with their kinds and keys."""
        # In one order, so that two nodes never wait for each other.
        rows = sorted(map(_row, notes), key=lambda row: row[:2])
        async with self._link().transaction() as connection:
            await connection.executemany(SQL["put"], rows)

    async def add(self, notes: Sequence[Note], *, now: float) -> tuple[int, ...]:
        """Add the amounts to what is kept."""
        amounts = [0] * len(notes)
        order = sorted(range(len(notes)), key=lambda place: (notes[place].kind, notes[place].key))
        async with self._link().transaction() as connection:
            for place in order:
                amounts[place] = await connection.fetchval(SQL["add"], *_row(notes[place]), now)
        return tuple(amounts)

    async def remove(self, kind: str, keys: Sequence[str]) -> None:
        """Forget notes."""
        async with self._link().transaction() as connection:
            await connection.execute(SQL["remove"], kind, list(keys))

    async def sweep(self, *, now: float) -> int:
        """Forget what has expired, a bounded number at a time."""
        async with self._link().transaction() as connection:
            return len(await connection.fetch(SQL["sweep"], now, _SWEPT_AT_ONCE))


def _row(note: Note) -> tuple[Any, ...]:
    return note.kind, note.key, note.value, note.amount, note.expires_at


def _note(row: Any) -> Note:
    kind, key, value, amount, expires_at = row
    return Note(kind=kind, key=key, value=bytes(value), amount=amount, expires_at=expires_at)
