"""The data for reports, counted by day and domain, in memory first and then in the store.

Equal rows share one counter. Every minute the counters are added to those in the store, so all
nodes count together and a restart loses a minute at most. Nothing grows without bound: rows beyond
the limit of a domain, or of the day, are counted without their details.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec

from pillarbox.reports.days import DAY, LAST_DAYS, begin_of, day_of
from pillarbox.store.notes import Note, NoteStore

__all__ = ["MAX_ROWS", "Counts", "Day"]

R = TypeVar("R", bound=msgspec.Struct)
_Place = tuple[str, str]  # a day and a domain

MAX_ROWS: Final = 5_000
"""Different rows of one domain in one day that are told apart, on each node."""

_MAX_ALL_ROWS: Final = 100_000  # of all domains in one day, on each node: some 10 MiB
_BATCH: Final = 500  # notes in one write
_OVERFLOW: Final = "overflow"  # the key of what is counted without details


@dataclass(slots=True)
class Day(Generic[R]):
    """The data for one domain's report of one day."""

    mark: bytes  # the last mark given to ``Counts.count`` for the domain
    rows: list[tuple[R, int]]  # the most frequent first
    overflow: int = 0  # what is not in the rows


@dataclass(slots=True)
class _Pending(Generic[R]):
    """What has been counted of one domain and day since the last write."""

    mark: bytes = b""
    rows: dict[R, int] = field(default_factory=dict)
    overflow: int = 0
    causes: int = 0  # how many of the counts are a reason to report


class Counts(Generic[R]):
    """Counts rows of one kind of report."""

    def __init__(self, kind: str, row: type[R], notes: NoteStore) -> None:
        """Count in ``notes``.

        Args:
            kind: Distinguishes these counts from those of other reports.
            row: The type of the rows: a frozen struct.
            notes: The store.
        """
        self.kind = kind
        self._notes = notes
        self._decode = msgspec.msgpack.Decoder(row).decode
        self._pending: dict[_Place, _Pending[R]] = {}
        self._seen: dict[_Place, set[int]] = {}  # hashes of the rows there are
        self._seen_rows = 0
        self._seen_day = ""

    def count(
        self, at: float, domain: str, row: R, mark: bytes = b"", *, is_cause: bool = True
    ) -> None:
        """Count a row once more; never fails.

        Args:
            at: When it happened, in seconds since 1970.
            domain: The domain that the report is about.
            row: What happened.
            mark: Data about the domain for its report; the last one wins.
            is_cause: Whether this is a reason to report, and not only included with the rest.
        """
        day = day_of(at)
        if day > self._seen_day:
            self._seen_day, self._seen_rows = day, 0
            self._seen.clear()
        place = day, domain
        seen = self._seen.get(place)
        if seen is None:
            if self._seen_rows >= _MAX_ALL_ROWS:
                return  # there is no room for another domain, either
            seen = self._seen[place] = set()
        pending = self._pending.get(place)
        if pending is None:
            pending = self._pending[place] = _Pending()
        pending.mark = mark
        pending.causes += is_cause
        if row in pending.rows:
            pending.rows[row] += 1
        elif self._fits(seen, hash(row)):
            pending.rows[row] = 1
        else:
            pending.overflow += 1

    def _fits(self, seen: set[int], row: int) -> bool:
        if row in seen:
            return True
        if len(seen) >= MAX_ROWS or self._seen_rows >= _MAX_ALL_ROWS:
            return False
        seen.add(row)
        self._seen_rows += 1
        return True

    async def flush(self, *, now: float) -> None:
        """Add what has been counted to what the store has, many domains in one write.

        Raises:
            StoreUnavailable: It is down; the rest stays for the next call.
        """
        while self._pending:
            parts = self._take()
            notes = [note for place, part in parts for note in self._notes_of(*place, part)]
            try:
                await self._notes.add(notes, now=now)
            except BaseException:
                for place, part in parts:
                    self._put_back(place, part)
                raise

    def _take(self) -> list[tuple[_Place, _Pending[R]]]:
        """Take as much as goes into one write."""
        parts: list[tuple[_Place, _Pending[R]]] = []
        left = _BATCH
        while self._pending and left > 0:
            place = next(iter(self._pending))
            pending = self._pending[place]
            if len(pending.rows) <= left:
                parts.append((place, self._pending.pop(place)))
            else:
                parts.append((place, _cut(pending, left)))
            left -= len(parts[-1][1].rows) + 1
        return parts

    def _notes_of(self, day: str, domain: str, part: _Pending[R]) -> list[Note]:
        kind, end = self._rows_kind(day, domain), begin_of(day) + (LAST_DAYS + 2) * DAY
        notes = [
            Note(kind=kind, key=_digest(value), value=value, amount=amount, expires_at=end)
            for row, amount in part.rows.items()
            for value in (msgspec.msgpack.encode(row),)
        ]
        if part.overflow:
            notes.append(Note(kind=kind, key=_OVERFLOW, amount=part.overflow, expires_at=end))
        notes.append(
            Note(
                kind=self._days_kind(day),
                key=domain,
                value=part.mark,
                amount=part.causes,
                expires_at=end,
            )
        )
        return notes

    def _put_back(self, place: _Place, part: _Pending[R]) -> None:
        """Keep what was not written, beside what was counted meanwhile."""
        kept = self._pending.setdefault(place, _Pending())
        kept.mark = kept.mark or part.mark
        kept.overflow += part.overflow
        kept.causes += part.causes
        for row, amount in part.rows.items():
            kept.rows[row] = kept.rows.get(row, 0) + amount

    async def domains(self, day: str, *, now: float) -> tuple[Note, ...]:
        """Return the domains of a day: a note for each, with how many reasons to report it has."""
        return await self._notes.all(self._days_kind(day), now=now)

    async def day(self, day: str, domain: str, *, now: float) -> Day[R]:
        """Return what has been counted of a domain in a day, on all nodes."""
        known = await self._notes.get(self._days_kind(day), domain, now=now)
        found: Day[R] = Day(mark=b"" if known is None else known.value, rows=[])
        for note in await self._notes.all(self._rows_kind(day, domain), now=now):
            if note.key == _OVERFLOW:
                found.overflow += note.amount
                continue
            try:
                found.rows.append((self._decode(note.value), note.amount))
            except msgspec.MsgspecError:  # of another version of this program
                found.overflow += note.amount
        found.rows.sort(key=lambda row: -row[1])
        return found

    async def forget(self, day: str, domain: str, *, now: float) -> None:
        """Remove what has been counted of a domain in a day: it is reported."""
        kind = self._rows_kind(day, domain)
        keys = [note.key for note in await self._notes.all(kind, now=now)]
        for first in range(0, len(keys), _BATCH):
            await self._notes.remove(kind, keys[first : first + _BATCH])
        await self._notes.remove(self._days_kind(day), [domain])

    def _days_kind(self, day: str) -> str:
        return f"{self.kind}-count/{day}"

    def _rows_kind(self, day: str, domain: str) -> str:
        return f"{self.kind}-count/{day}/{domain}"


def _cut(pending: _Pending[R], most: int) -> _Pending[R]:
    """Take so many rows, and leave the others."""
    part: _Pending[R] = _Pending(pending.mark, {}, pending.overflow, pending.causes)
    pending.overflow = pending.causes = 0
    for row in list(pending.rows)[:most]:
        part.rows[row] = pending.rows.pop(row)
    return part


def _digest(value: bytes) -> str:
    return hashlib.blake2b(value, digest_size=12).hexdigest()
