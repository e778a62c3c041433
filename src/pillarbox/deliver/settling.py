"""Records the results of deliveries together with the notifications they cause.

A result and its notification are in one commit. A failure waits, for ``_PATIENCE`` at most, while
the same message is being delivered to other recipients, so that its sender gets one notification
and not one for each site. Until then it is in flight on disk and would be retried after a crash. A
success never waits, because a crash would cause a duplicate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pillarbox.deliver.job import Job
from pillarbox.deliver.notices import Notices
from pillarbox.deliver.recorder import Recorder
from pillarbox.deliver.verdict import Ruling
from pillarbox.events.types import Sink
from pillarbox.store.port import KeptMessage, KeptRecipient, MessageId

__all__ = ["Settler", "part_of"]

_PATIENCE: Final = 10.0
"""Seconds that a failure waits for the message's other recipients."""


@dataclass(slots=True)
class _Gathered:
    """Results of one message that wait for the rest."""

    message: KeptMessage
    jobs: list[Job] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Settler:
    """Records rulings."""

    def __init__(
        self,
        recorder: Recorder,
        notices: Notices,
        sink: Sink,
        is_under_way: Callable[[KeptMessage, frozenset[int]], bool],
    ) -> None:
        """Record rulings through ``recorder``.

        Args:
            recorder: Writes them.
            notices: Creates notifications; replaceable.
            sink: Receives the result for each recipient.
            is_under_way: Whether recipients of a message are in memory, besides these indexes.
        """
        self.notices = notices
        self._recorder = recorder
        self._sink = sink
        self._is_under_way = is_under_way
        self._waiting: dict[MessageId, _Gathered] = {}
        self._complete: deque[_Gathered] = deque()
        self._writing: asyncio.Task[None] | None = None

    def settle(self, job: Job, rulings: Sequence[Ruling]) -> None:
        """Record the rulings on a job's recipients that were not delivered to."""
        for ruling in rulings:
            self._sink(ruling.event)
        if not self.notices.owed(job.message, rulings):
            self._recorder.settle([ruling.settlement for ruling in rulings], (), job)
            return
        gathered = self._waiting.setdefault(job.message.id, _Gathered(job.message))
        gathered.jobs.append(job)
        gathered.rulings += rulings
        if not self._write_if_complete(gathered) and gathered.timer is None:
            loop = asyncio.get_running_loop()
            gathered.timer = loop.call_later(_PATIENCE, self._write, gathered)

    async def delivered(
        self, job: Job, rulings: Sequence[Ruling], *, is_success_told: bool
    ) -> None:
        """Record the rulings on recipients that were delivered to."""
        for ruling in rulings:
            self._sink(ruling.event)
        new: Sequence[KeptMessage] = ()
        if is_success_told:
            new = await self.notices.make(job.message, self.notices.owed(job.message, rulings))
        self._recorder.settle([ruling.settlement for ruling in rulings], new, job)

    def released(self, job: Job) -> None:
        """Note that a job's result is on disk: others may have waited for it."""
        if self._waiting and (gathered := self._waiting.get(job.message.id)) is not None:
            self._write_if_complete(gathered)

    async def drain(self) -> None:
        """Stop waiting, and pass everything to the recorder."""
        for gathered in list(self._waiting.values()):
            self._write(gathered)
        if self._writing is not None:
            await self._writing

    def _write_if_complete(self, gathered: _Gathered) -> bool:
        indexes = frozenset(ruling.recipient.index for ruling in gathered.rulings)
        if self._is_under_way(gathered.message, indexes):
            return False
        self._write(gathered)
        return True

    def _write(self, gathered: _Gathered) -> None:
        if gathered.timer is not None:
            gathered.timer.cancel()
        del self._waiting[gathered.message.id]
        self._complete.append(gathered)
        if self._writing is None:
            # One at a time: each may read a content, and there can be many.
            loop = asyncio.get_running_loop()
            self._writing = loop.create_task(self._write_complete(), name="deliver: notices")

    async def _write_complete(self) -> None:
        try:
            while self._complete:
                await self._write_one(self._complete.popleft())
        finally:
            self._writing = None

    async def _write_one(self, gathered: _Gathered) -> None:
        try:
            owed = self.notices.owed(gathered.message, gathered.rulings)
            new = await self.notices.make(gathered.message, owed)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the others
            # It stays in flight on disk: a suspect at the next start, and held if that repeats.
            context = {"message": "a notification could not be made", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return
        settlements = [ruling.settlement for ruling in gathered.rulings]
        self._recorder.settle(settlements, new, _joined(gathered.jobs))


def part_of(job: Job, recipients: Sequence[KeptRecipient], octets: int) -> Job:
    """Return a job for some of another job's recipients."""
    if len(recipients) == len(job.recipients):
        return job
    return Job(job.message, tuple(recipients), octets)


def _joined(jobs: Sequence[Job]) -> Job:
    """Merge jobs of one message."""
    if len(jobs) == 1:
        return jobs[0]
    recipients = tuple(recipient for job in jobs for recipient in job.recipients)
    return Job(jobs[0].message, recipients, sum(job.octets for job in jobs))
