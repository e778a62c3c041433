"""The disk reserve: below it new mail is deferred, and delivery continues.

Results of deliveries need room to be written, so new mail must not take the last of it. The free
space is measured every second; what has been accepted since is subtracted.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from pillarbox.errors import PillarboxError
from pillarbox.intake.keeping_on import keep_on

__all__ = ["Disk", "DiskReserve", "reserve_for"]

_LOOK_EVERY: Final = 1.0  # seconds
_WRITTEN_TWICE: Final = 2  # once into a log, once into its place
_BESIDE: Final = 16 * 1024  # octets that a message's rows, indexes and events may take
_SHARE_OF_DISK: Final = 20  # a twentieth: 5 %


def reserve_for(*, free: int, disk: int, max_message_size: int) -> int:
    """Return the octets to keep free where the configuration does not say.

    Twice the largest message or 5 % of the disk, whichever is more, but at most half of
    what is free at the start, so that a full disk does not lock mail out for ever.
    """
    return min(max(2 * max_message_size, disk // _SHARE_OF_DISK), free // 2)


class Disk(Protocol):
    """What mail is written to: a store, or something that knows its disk."""

    async def free_octets(self) -> int | None:
        """Return how many octets are free, or None if unknown."""
        ...


class DiskReserve:
    """Knows whether the store's disk has room for new mail."""

    def __init__(self, store: Disk, reserve: int) -> None:
        """Keep ``reserve`` octets of the disk of ``store`` free."""
        self._store = store
        self._reserve = reserve
        self._free: int | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def is_low(self) -> bool:
        """Whether there is less room than the reserve. False where the store cannot tell."""
        return self._free is not None and self._free < self._reserve

    def spend(self, octets: int) -> None:
        """Subtract what is being written from what was free at the last look."""
        if self._free is not None:
            self._free -= _WRITTEN_TWICE * octets + _BESIDE

    async def look(self) -> None:
        """Ask the store how much room there is."""
        try:
            self._free = await self._store.free_octets()
        except PillarboxError:  # it will say so itself when it is asked to keep something
            self._free = None

    async def start(self) -> None:
        """Look now, and then every second until ``stop``."""
        await self.look()
        self._watcher = keep_on(self._watch, "room on the disk")

    async def stop(self) -> None:
        """Stop looking."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self.look()
