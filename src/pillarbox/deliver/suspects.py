"""Messages that were in flight when the process died: tried one at a time, held after three
crashes.

The count is raised on disk before a suspect is tried, so that a message that kills the process is
identified. The many that were in flight beside it are delivered as usual.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pillarbox.deliver.dispatch import Dispatcher
from pillarbox.deliver.job import Job
from pillarbox.deliver.scheduler import Scheduler
from pillarbox.store.port import MessageId, Store, StoreUnavailable, Work

__all__ = ["Suspects"]

_MOST_CRASHES: Final = 3
_STORE_DOWN: Final = 1.0  # seconds


class Suspects:
    """Tries the messages that may have crashed the process."""

    def __init__(self, store: Store, scheduler: Scheduler, dispatcher: Dispatcher) -> None:
        self._store = store
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._works: tuple[Work, ...] = ()
        self._tried: MessageId | None = None
        self._left: set[int] = set()  # recipients of the message being tried
        self._is_settled = asyncio.Event()

    async def find(self) -> None:
        """Read the suspects from the store, and exclude them from normal loading."""
        self._works = await self._store.suspects()
        for work in self._works:
            self._scheduler.reserve(work)

    async def run(self) -> None:
        """Try all suspects, one after the other."""
        works, self._works = self._works, ()
        for work in works:
            if max(recipient.crashes for recipient in work.recipients) >= _MOST_CRASHES:
                job = Job(work.message, work.recipients, 0)
                self._dispatcher.hold(job, f"this process died {_MOST_CRASHES} times with it")
                continue
            await self._try(work)

    def released(self, job: Job) -> None:
        """Note that a job's result is on disk."""
        if job.message.id == self._tried:
            self._left.difference_update(recipient.index for recipient in job.recipients)
            if not self._left:
                self._is_settled.set()

    async def _try(self, work: Work) -> None:
        indexes = [recipient.index for recipient in work.recipients]
        while True:
            try:
                await self._store.count_crash(work.message.id, indexes)
                break
            except StoreUnavailable:
                await asyncio.sleep(_STORE_DOWN)
        self._tried, self._left = work.message.id, set(indexes)
        self._is_settled.clear()
        self._scheduler.restore(work)
        await self._is_settled.wait()
