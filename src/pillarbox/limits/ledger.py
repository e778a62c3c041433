"""The counts of rates in the store, where they survive a restart and are shared by nodes.

The use by each subject is added, in batches, to a note for its time window. Adding returns the
total over all nodes, so the others' use counts here from then on. Nodes that share a database
therefore exceed a rate for one interval at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pillarbox.errors import PillarboxError
from pillarbox.limits.meter import Meter, Used
from pillarbox.store.notes import Note, NoteStore

__all__ = ["RateLedger"]

_AT_ONCE: Final = 2_000  # subjects of one rate
_NEW_AT_ONCE: Final = 100  # of them, new ones for which the counts of other nodes are read
_SHORT: Final = 600.0  # seconds; shorter rates are not stored for a single node


class RateLedger:
    """Stores the counts of meters."""

    def __init__(self, notes: NoteStore, now: Callable[[], float], *, is_shared: bool) -> None:
        """Store them in ``notes``.

        Args:
            notes: The store.
            now: The wall clock.
            is_shared: Whether other nodes count there, too.
        """
        self._notes = notes
        self._now = now
        self._is_shared = is_shared

    async def load(self, meters: Iterable[Meter]) -> None:
        """Load the stored counts.

        Raises:
            StoreUnavailable: The store is down.
        """
        now = self._now()
        for meter in filter(self._is_kept, meters):
            window = meter.rate.window(now)
            counted: dict[str, dict[int, int]] = {}
            for note in await self._notes.all(_kind(meter), now=now):
                number, _, subject = note.key.partition(" ")
                counted.setdefault(subject, {})[int(number)] = note.amount
            for subject, amounts in counted.items():
                meter.learn(subject, amounts.get(window - 1, 0), amounts.get(window, 0), now)

    async def settle(self, meters: Iterable[Meter]) -> None:
        """Add the use since the last call.

        Raises:
            StoreUnavailable: The store is down; the next call adds it.
        """
        for meter in filter(self._is_kept, meters):
            now = self._now()
            used = list(meter.take_used(now, _AT_ONCE))
            if used:
                await self._add(meter, used, now)

    async def _add(self, meter: Meter, used: Sequence[Used], now: float) -> None:
        window = meter.rate.window(now)
        end = meter.rate.window_end(window)
        notes = [
            Note(
                kind=_kind(meter),
                key=f"{window} {each.subject}",
                amount=each.amount,
                expires_at=end,
            )
            for each in used
        ]
        try:
            new = [each.subject for each in used if each.is_new][:_NEW_AT_ONCE]
            before = await self._before(meter, new if self._is_shared else (), window, now)
            joint = await self._notes.add(notes, now=now)
        except PillarboxError:
            for each in used:
                meter.untold(each)
            raise
        for each, amount in zip(used, joint, strict=True):
            meter.told(each, amount)
            if each.subject in before:
                meter.learn(each.subject, before[each.subject], amount, now)

    async def _before(
        self, meter: Meter, subjects: Sequence[str], window: int, now: float
    ) -> dict[str, int]:
        """Return the counts of all nodes for subjects in the previous window."""
        keys = [f"{window - 1} {subject}" for subject in subjects]
        found = await asyncio.gather(*(self._notes.get(_kind(meter), key, now=now) for key in keys))
        return {
            subject: 0 if note is None else note.amount
            for subject, note in zip(subjects, found, strict=True)
        }

    def _is_kept(self, meter: Meter) -> bool:
        return self._is_shared or meter.rate.period >= _SHORT


def _kind(meter: Meter) -> str:
    return f"rate {meter.name}"
