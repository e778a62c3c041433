"""Reading back: whatever becomes due is found, however long the store takes to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from tests.mail import kept_message

from pillarbox.deliver.lanes import MailQueue
from pillarbox.deliver.scheduler import Bounds, Scheduler
from pillarbox.deliver.steady import SteadyClock
from pillarbox.lab.clock import LabClock, run_virtual
from pillarbox.store.group import GroupCommit
from pillarbox.store.memory import MemoryStore
from pillarbox.store.port import KeptMessage, MessageId, Store, StoreUnavailable, Work


class SlowStore:
    """A store that reads back what was in it when it was asked, and takes its time to answer."""

    def __init__(self, store: MemoryStore, seconds: float) -> None:
        self._store = store
        self.seconds = seconds
        self.failures = 0
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def load(self, **asked: Any) -> tuple[Work, ...]:
        self.reads += 1
        found = await self._store.load(**asked)
        await asyncio.sleep(self.seconds)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the database does not answer")
        return found


class Stage:
    """A scheduler over a slow store, and the messages that it has read back."""

    def __init__(self, clock: LabClock, store: SlowStore) -> None:
        self.clock = clock
        self.store = store
        self.group = GroupCommit(cast("Store", store))
        self.came: list[MessageId] = []
        steady = SteadyClock(clock)
        self.scheduler = Scheduler(
            cast("Store", store), steady, Bounds(recipients=100, octets=1_000_000), self._place
        )

    def _place(self, queues: Sequence[MailQueue]) -> None:
        self.came.extend(entry.message.id for queue in queues for entry in queue.entries)

    async def put(self, due: float) -> KeptMessage:
        """Put a message into the store, due so many seconds from now."""
        now = self.clock.now()
        message = kept_message(at=now, due=now + due)
        await self.group.keep(message)
        return message


def play(steps: Callable[[Stage], Awaitable[None]], *, seconds: float) -> None:
    """Run steps with a scheduler that reads, while the store takes ``seconds`` for an answer."""

    async def main() -> None:
        clock = LabClock()
        store = MemoryStore("main", clock.now)
        await store.open()
        await steps(Stage(clock, SlowStore(store, seconds)))

    run_virtual(main())


async def _read_for(stage: Stage, seconds: float) -> None:
    reading = asyncio.create_task(stage.scheduler.run())
    await asyncio.sleep(seconds)
    reading.cancel()


def test_what_becomes_due_while_the_store_is_read_is_found() -> None:
    """A message that is due after a read has begun, and before it has ended, is not forgotten."""

    async def steps(stage: Stage) -> None:
        message = await stage.put(due=0.5)
        await _read_for(stage, 5)
        assert stage.came == [message.id]

    play(steps, seconds=1.0)


def test_what_is_put_off_while_the_store_is_read_is_found() -> None:
    """Nor one that was written meanwhile with a time that had passed already."""

    async def steps(stage: Stage) -> None:
        reading = asyncio.create_task(stage.scheduler.run())
        await asyncio.sleep(0.5)
        message = await stage.put(due=-1)
        stage.scheduler.expect(stage.clock.now() - 1)
        await asyncio.sleep(5)
        reading.cancel()
        assert stage.came == [message.id]

    play(steps, seconds=1.0)


def test_a_read_that_failed_is_repeated() -> None:
    """What a failing store did not give is read when it answers again."""

    async def steps(stage: Stage) -> None:
        stage.store.failures = 2
        message = await stage.put(due=0)
        await _read_for(stage, 10)
        assert stage.came == [message.id]

    play(steps, seconds=0.1)


def test_a_store_without_due_mail_is_left_alone() -> None:
    """It is read once at the start, and then when something is due."""

    async def steps(stage: Stage) -> None:
        await stage.put(due=1_000)
        await _read_for(stage, 900)
        assert stage.store.reads == 1

    play(steps, seconds=0.1)
