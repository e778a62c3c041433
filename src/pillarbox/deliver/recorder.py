"""Start marks and results, written in batches: nothing is sent before its mark is on disk.

Two long-lived tasks gather what the workers ask for; each has one write in progress and collects
the next meanwhile. When the store fails, results are retained and retried until they are recorded,
and no mark is written before that: delivery pauses, so that no success is lost and repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Final, TypeVar

from pillarbox.clock import Clock
from pillarbox.deliver.job import Job
from pillarbox.errors import PillarboxError
from pillarbox.events.types import Sink, StoreFailed, StoreRecovered
from pillarbox.intake.keeping_on import keep_on
from pillarbox.store.group import GroupCommit
from pillarbox.store.port import Fenced, KeptMessage, Settlement, StoreFull, StoreUnavailable

__all__ = ["Recorder"]

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0
_GATHERING: Final = 0.005
"""Seconds that results wait for others: a commit costs more than its content."""

Started = Callable[[Sequence[Job]], None]
_Result = tuple[Sequence[Settlement], Sequence[KeptMessage], Job]
_Item = TypeVar("_Item")


class Recorder:
    """Writes start marks before attempts and results after them."""

    def __init__(
        self,
        group: GroupCommit,
        clock: Clock,
        sink: Sink,
        on_recorded: Callable[[Sequence[Job], Sequence[KeptMessage], float | None], None],
    ) -> None:
        """Write through ``group``.

        Args:
            group: The group commit of the store.
            clock: For the times of events.
            sink: Receives events when the store fails and recovers.
            on_recorded: Called with the jobs whose results are on disk, the new messages that were
                stored with them, and the time when the first of the jobs is due again.
        """
        self._group = group
        self._clock = clock
        self._sink = sink
        self._on_recorded = on_recorded
        self._to_start: list[tuple[Started, Job]] = []
        self._results: list[_Result] = []
        self._has_starts = asyncio.Event()
        self._has_results = asyncio.Event()
        self._is_up = asyncio.Event()
        self._is_up.set()
        self._failed_at = 0.0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._asked_for = 0  # marks and results that are not on disk yet
        self.is_fenced = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_down(self) -> bool:
        """Whether the store is failing, so that delivery is paused."""
        return not self._is_up.is_set()

    @property
    def unrecorded(self) -> int:
        """How many results wait to be written."""
        return len(self._results)

    def run(self) -> None:
        """Start writing."""
        self._tasks = [
            keep_on(self._write_starts, "deliver: start marks"),
            keep_on(self._write_results, "deliver: results"),
        ]

    async def stop(self) -> None:
        """Stop at once; jobs without a result on disk are suspects or queued at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def drain(self) -> None:
        """Wait until everything requested is on disk."""
        await self._is_idle.wait()

    def start(self, jobs: Sequence[Job], started: Started) -> None:
        """Mark jobs; ``started`` is called with those whose mark is on disk."""
        self._to_start.extend((started, job) for job in jobs)
        self._has_starts.set()
        self._expect(len(jobs))

    def settle(
        self,
        settlements: Sequence[Settlement],
        new: Sequence[KeptMessage],
        done: Job,
    ) -> None:
        """Write results, with the messages they cause, in one commit.

        Args:
            settlements: The results.
            new: Notifications to store with them.
            done: The job that they complete.
        """
        self._results.append((settlements, new, done))
        self._has_results.set()
        self._expect(1)

    def _expect(self, count: int) -> None:
        self._asked_for += count
        self._is_idle.clear()

    def _done_with(self, count: int) -> None:
        self._asked_for -= count
        if not self._asked_for:
            self._is_idle.set()

    async def _write_starts(self) -> None:
        while True:
            await self._has_starts.wait()
            await self._is_up.wait()
            self._has_starts.clear()
            batch, self._to_start = self._to_start, []
            for part in await self._persist(batch, self._mark):
                for started, marked in groupby(part, key=itemgetter(0)):
                    started([job for _, job in marked])
            self._done_with(len(batch))

    def _mark(self, batch: Sequence[tuple[Started, Job]]) -> asyncio.Future[None]:
        return self._group.start([job.start_mark() for _, job in batch])

    async def _write_results(self) -> None:
        while True:
            await self._has_results.wait()
            await asyncio.sleep(_GATHERING)
            self._has_results.clear()
            results, self._results = self._results, []
            for part in await self._persist(results, self._settle):
                self._on_recorded(
                    [done for _, _, done in part],
                    [message for _, new, _ in part for message in new],
                    _earliest_due(part),
                )
            self._done_with(len(results))

    def _settle(self, results: Sequence[_Result]) -> asyncio.Future[None]:
        return self._group.settle(
            list(chain.from_iterable(settlements for settlements, _, _ in results)),
            list(chain.from_iterable(new for _, new, _ in results)),
        )

    async def _persist(
        self, items: Sequence[_Item], write: Callable[[Sequence[_Item]], asyncio.Future[None]]
    ) -> list[Sequence[_Item]]:
        """Write items until they are on disk; return those that are, in parts.

        An item that the store cannot hold at all is found by bisection, reported, and left as it
        was on disk: queued, or in flight until the next start.
        """
        wait = _FIRST_WAIT
        while True:
            try:
                await write(items)
            except StoreUnavailable as error:
                self._fail(error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            except Fenced as error:
                self._fail(error)
                self.is_fenced = True
                await asyncio.get_running_loop().create_future()  # another node owns it now
            except PillarboxError as error:
                return await self._persist_apart(items, write, error)
            else:
                self._recover()
                return [items]

    async def _persist_apart(
        self,
        items: Sequence[_Item],
        write: Callable[[Sequence[_Item]], asyncio.Future[None]],
        error: PillarboxError,
    ) -> list[Sequence[_Item]]:
        if len(items) <= 1:
            context = {"message": "the store cannot hold a result", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return []
        half = len(items) // 2
        parts = await self._persist(items[:half], write)
        return parts + await self._persist(items[half:], write)

    def _fail(self, error: PillarboxError) -> None:
        if self._is_up.is_set():
            self._is_up.clear()
            self._failed_at = self._clock.monotonic()
            is_full = isinstance(error, StoreFull)
            self._sink(StoreFailed(at=self._clock.now(), reason=str(error), is_full=is_full))

    def _recover(self) -> None:
        if self._is_up.is_set():
            return
        self._is_up.set()
        seconds = round(self._clock.monotonic() - self._failed_at, 3)
        self._sink(StoreRecovered(at=self._clock.now(), seconds=seconds))


def _earliest_due(results: Sequence[_Result]) -> float | None:
    """Return when the first settled recipient is due again, None if none is."""
    return min(
        (
            settlement.next_attempt_at
            for settlements, _, _ in results
            for settlement in settlements
            if settlement.next_attempt_at is not None
        ),
        default=None,
    )
