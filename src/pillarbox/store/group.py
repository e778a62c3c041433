"""Group commit: one durable commit for all that wait (the speed of the store).

While a commit is under way, everything that is asked for meanwhile gathers for the next
one. Each caller gets a future that is done when its part is on disk, or that holds the
error which kept it from getting there.

New mail and results of deliveries fail apart from each other: when the disk has no room
for both, new mail is refused, and results are written alone, out of the reserve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from pillarbox.errors import PillarboxError
from pillarbox.store.port import (
    Batch,
    JournalEntry,
    KeptMessage,
    Settlement,
    StartMark,
    Store,
    StoreFull,
    StoreUnavailable,
)

__all__ = ["GroupCommit"]


@dataclass(slots=True)
class _Gathering:
    """What waits for the next commit."""

    mail: list[KeptMessage] = field(default_factory=list)
    senders: list[asyncio.Future[None]] = field(default_factory=list)  # one a message
    results: Batch = field(default_factory=Batch)  # marks, settlements, their DSNs, events
    settlers: list[asyncio.Future[None]] = field(default_factory=list)


class GroupCommit:
    """Gathers writes and commits them together, one commit at a time."""

    def __init__(self, store: Store) -> None:
        """Write to ``store``, on which nobody else may call ``commit``."""
        self._store = store
        self._next = _Gathering()
        self._loop = asyncio.get_running_loop()
        self._committer: asyncio.Task[None] | None = None

    def keep(self, message: KeptMessage) -> asyncio.Future[None]:
        """Ask for a new message to be kept; the future is done once it is on disk.

        It fails with ``StoreFull``, ``StoreUnavailable``, ``Fenced``, or another
        ``PillarboxError`` where the store cannot hold this very message.
        """
        future = self._loop.create_future()
        self._next.mail.append(message)
        self._next.senders.append(future)
        self._wake()
        return future

    def start(self, marks: Sequence[StartMark]) -> asyncio.Future[None]:
        """Ask for start marks to be written; the future is done once they are on disk."""
        self._next.results.start.extend(marks)
        return self._settler()

    def settle(
        self, settlements: Sequence[Settlement], new: Sequence[KeptMessage] = ()
    ) -> asyncio.Future[None]:
        """Ask for results to be written, in one commit with the messages they give rise to."""
        self._next.results.settle.extend(settlements)
        self._next.results.keep.extend(new)
        return self._settler()

    def record(self, entries: Sequence[JournalEntry]) -> None:
        """Let journal entries go with the next commit. They may be lost in a crash."""
        self._next.results.record.extend(entries)
        self._wake()

    async def drain(self) -> None:
        """Wait until nothing is left to be written."""
        while self._committer is not None:
            await asyncio.shield(self._committer)

    def _settler(self) -> asyncio.Future[None]:
        future = self._loop.create_future()
        self._next.settlers.append(future)
        self._wake()
        return future

    def _wake(self) -> None:
        if self._committer is None:
            self._committer = self._loop.create_task(self._commit_all())

    async def _commit_all(self) -> None:
        # Another turn of the loop first: sessions whose bytes have arrived already
        # get into this commit instead of waiting for the next one.
        try:
            await asyncio.sleep(0)
            while self._next.senders or self._next.settlers or self._next.results.record:
                gathered, self._next = self._next, _Gathering()
                await self._commit(gathered)
        finally:
            self._committer = None

    async def _commit(self, gathered: _Gathering) -> None:
        results = gathered.results
        everything = Batch(
            keep=gathered.mail + results.keep,
            start=results.start,
            settle=results.settle,
            record=results.record,
        )
        try:
            await self._store.commit(everything)
        except StoreFull as error:
            _fail(gathered.senders, error)
            await self._commit_results(gathered)
        except StoreUnavailable as error:
            _fail(gathered.senders, error)
            _fail(gathered.settlers, error)
        except PillarboxError:
            # Something in it cannot be stored at all; find out what, and keep the rest.
            await self._commit_apart(gathered)
        else:
            _succeed(gathered.senders)
            _succeed(gathered.settlers)

    async def _commit_results(self, gathered: _Gathering) -> None:
        try:
            await self._store.commit(gathered.results)
        except PillarboxError as error:
            _fail(gathered.settlers, error)
        else:
            _succeed(gathered.settlers)

    async def _commit_apart(self, gathered: _Gathering) -> None:
        for message, sender in zip(gathered.mail, gathered.senders, strict=True):
            try:
                await self._store.commit(Batch(keep=[message]))
            except PillarboxError as error:
                _fail([sender], error)
            else:
                _succeed([sender])
        await self._commit_results(gathered)


def _succeed(waiters: Sequence[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _fail(waiters: Sequence[asyncio.Future[None]], error: PillarboxError) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
