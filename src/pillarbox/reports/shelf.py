"""Storage for the figures of received reports: in the store, for a time, up to a limit."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from pillarbox.errors import TemporaryError
from pillarbox.reports.days import DAY, day_of
from pillarbox.reports.received import ReceivedReport
from pillarbox.store.notes import Note, NoteStore

__all__ = ["MOST_A_DAY", "RECEIVED", "Shelf", "ShelfFull", "newest_first"]

MOST_A_DAY: Final = 1_000
"""Reports stored per day, so that nobody can fill the store with them."""

RECEIVED: Final = "received-report"
"""The kind of the notes; their keys begin with ``tls/`` or ``dmarc/``."""

_COUNT: Final = "received-report-count"


class ShelfFull(TemporaryError):  # noqa: N818 - reads as what it says
    """Too many reports arrived today; no more are stored."""


class Shelf:
    """Stores the figures of received reports."""

    def __init__(self, notes: NoteStore, keep: float) -> None:
        """Store them in ``notes`` for ``keep`` seconds."""
        self._notes = notes
        self._keep = keep

    async def put(self, report: ReceivedReport, *, is_proved: bool, now: float) -> None:
        """Store a report; a duplicate replaces the earlier one.

        Args:
            report: Its figures.
            is_proved: Whether its sender is authenticated.
            now: Seconds since 1970.

        Raises:
            ShelfFull: There are too many today.
            StoreUnavailable: The store is down.
        """
        count = Note(kind=_COUNT, key=day_of(now), amount=1, expires_at=now + 2 * DAY)
        (today,) = await self._notes.add([count], now=now)
        if today > MOST_A_DAY:
            raise ShelfFull(f"{MOST_A_DAY} reports have been kept today already")
        kept = replace(report, received_at=now, is_proved=is_proved)
        # Only an authenticated sender may replace a report.
        named = f"{report.organization}\0{report.report_id}\0{report.domain}\0{is_proved}"
        digest = hashlib.blake2b(named.encode("utf-8", "replace"), digest_size=12).hexdigest()
        note = Note(
            kind=RECEIVED,
            key=f"{report.kind}/{day_of(max(report.begin, 0.0))}/{digest}",
            value=msgspec.json.encode(kept),
            expires_at=now + self._keep,
        )
        await self._notes.put([note])

    async def all(self, kind: str, *, now: float) -> list[ReceivedReport]:
        """Return the reports of a kind.

        Raises:
            StoreUnavailable: The store is down.
        """
        notes = await self._notes.all(RECEIVED, now=now)
        return newest_first(note.value for note in notes if note.key.startswith(f"{kind}/"))


def newest_first(values: Iterable[bytes]) -> list[ReceivedReport]:
    """Return reports for display, without data of another version."""
    found = []
    for value in values:
        with contextlib.suppress(msgspec.MsgspecError):
            found.append(msgspec.json.decode(value, type=ReceivedReport))
    return sorted(found, key=lambda report: (-report.begin, report.organization))
