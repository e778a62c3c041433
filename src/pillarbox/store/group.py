"""Group commit: one durable commit for all that wait (the speed of the store).

While a commit is under way, everything that is asked for meanwhile gathers for the next
one. Each caller gets a future that is done when its part is on disk, or that holds the
error which kept it from getting there; none is ever left waiting.

New mail and results of deliveries fail apart from each other: when the disk has no room
for both, new mail is refused, and results are written alone, out of the reserve. What
cannot be stored at all is found out by writing each part by itself, so that one bad
message does not refuse the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pillarbox.errors import PillarboxError
from pillarbox.store.port import (
    Batch,
    Fenced,
    JournalEntry,
    KeptMessage,
    Settlement,
    StartMark,
    Store,
    StoreFull,
    StoreUnavailable,
)

__all__ = ["GroupCommit"]

_MOST_MESSAGES: Final = 500  # in one commit, so that the first of them need not wait long

_Waiter = asyncio.Future[None]


@dataclass(slots=True)
class _Gathering:
    """What waits for the next commit: parts, each kept whole, and who waits for which."""

    mail: list[tuple[KeptMessage, _Waiter]] = field(default_factory=list)
    results: list[tuple[Batch, _Waiter]] = field(default_factory=list)  # with their DSNs
    record: list[JournalEntry] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.mail or self.results or self.record)

    @property
    def is_alone(self) -> bool:
        """Whether no more than one waits."""
        return len(self.mail) + len(self.results) <= 1

    def waiters(self) -> Iterable[_Waiter]:
        """Everybody who waits."""
        yield from self.senders()
        yield from self.settlers()

    def senders(self) -> Iterable[_Waiter]:
        """Those who wait for new mail to be kept."""
        return (waiter for _, waiter in self.mail)

    def settlers(self) -> Iterable[_Waiter]:
        """Those who wait for results to be written."""
        return (waiter for _, waiter in self.results)

    def batch(self, *, with_mail: bool) -> Batch:
        """Put the parts together."""
        whole = Batch(record=self.record)
        if with_mail:
            whole.keep += [message for message, _ in self.mail]
        for part, _ in self.results:
            whole.keep += part.keep
            whole.start += part.start
            whole.settle += part.settle
        return whole


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
        self._next.mail.append((message, future))
        self._wake()
        return future

    def start(self, marks: Sequence[StartMark]) -> asyncio.Future[None]:
        """Ask for start marks to be written; the future is done once they are on disk."""
        return self._write(Batch(start=list(marks)))

    def settle(
        self, settlements: Sequence[Settlement], new: Sequence[KeptMessage] = ()
    ) -> asyncio.Future[None]:
        """Ask for results to be written, in one commit with the messages they give rise to."""
        return self._write(Batch(settle=list(settlements), keep=list(new)))

    def record(self, entries: Sequence[JournalEntry]) -> None:
        """Let journal entries go with the next commit. They may be lost in a crash."""
        self._next.record.extend(entries)
        self._wake()

    async def drain(self) -> None:
        """Wait until nothing is left to be written."""
        while self._committer is not None:
            await asyncio.shield(self._committer)

    def _write(self, part: Batch) -> _Waiter:
        future = self._loop.create_future()
        self._next.results.append((part, future))
        self._wake()
        return future

    def _wake(self) -> None:
        if self._committer is None:
            self._committer = self._loop.create_task(self._commit_all())

    async def _commit_all(self) -> None:
        # Another turn of the loop first, when there is a crowd: sessions whose bytes have
        # arrived already get into this commit instead of waiting for the next one.
        try:
            if not self._next.is_alone:
                await asyncio.sleep(0)
            while self._next:
                gathered, self._next = self._next, _Gathering()
                self._next.mail = gathered.mail[_MOST_MESSAGES:]
                del gathered.mail[_MOST_MESSAGES:]
                try:
                    await self._commit(gathered)
                finally:
                    # A defect or a cancellation: what is not known to be kept is not kept.
                    _fail(gathered.waiters(), StoreUnavailable("the commit was broken off"))
        finally:
            self._committer = None
            if self._next:  # only when it was broken off
                _fail(self._next.waiters(), StoreUnavailable("the commit was broken off"))
                self._next = _Gathering()

    async def _commit(self, gathered: _Gathering) -> None:
        try:
            await self._store.commit(gathered.batch(with_mail=True))
        except StoreFull as error:
            _fail(gathered.senders(), error)
            await self._commit_results(gathered)
        except (StoreUnavailable, Fenced) as error:
            _fail(gathered.waiters(), error)
        except PillarboxError:
            await self._commit_apart(gathered)
        else:
            _succeed(gathered.waiters())

    async def _commit_results(self, gathered: _Gathering) -> None:
        if gathered.results:
            try:
                await self._store.commit(gathered.batch(with_mail=False))
            except PillarboxError as error:
                _fail(gathered.settlers(), error)
            else:
                _succeed(gathered.settlers())

    async def _commit_apart(self, gathered: _Gathering) -> None:
        parts = [(Batch(keep=[message]), sender) for message, sender in gathered.mail]
        for part, waiter in (*parts, *gathered.results):
            try:
                await self._store.commit(part)
            except PillarboxError as error:
                _fail((waiter,), error)
            else:
                _succeed((waiter,))


def _succeed(waiters: Iterable[_Waiter]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _fail(waiters: Iterable[_Waiter], error: PillarboxError) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
