"""What rates have counted, in the store: it survives a restart, and nodes share it.

What each subject has used is added, in batches, to a note for the window in which it was used.
Adding returns what all nodes have used together, and from then on the others' use counts here.
Nodes that share a database therefore let too much through for one interval at most.
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
_NEW_AT_ONCE: Final = 100  # of them, those of which it is asked what others have counted
_SHORT: Final = 600.0  # seconds; of a shorter rate a single node loses nothing by a restart


class RateLedger:
    """Keeps the counts of meters."""

    def __init__(self, notes: NoteStore, now: Callable[[], float], *, is_shared: bool) -> None:
        """Keep them in ``notes``.

        Args:
            notes: Where.
            now: The wall clock.
            is_shared: Whether other nodes count there as well.
        """
        self._notes = notes
        self._now = now
        self._is_shared = is_shared

    async def load(self, meters: Iterable[Meter]) -> None:
        """Begin where the counts ended.

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
        """Add what was used since the last time.

        Raises:
            StoreUnavailable: The store is down; it is added the next time.
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
        """Return what all nodes have counted for subjects in the window before."""
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
