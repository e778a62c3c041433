"""Group commit: one durable commit for everything that waits, which is what makes the store fast.

While a commit is in progress, new requests gather for the next one. Each caller is told when its
part is on disk, or which error kept it from getting there; none is ever left waiting. The next
commit starts before they are told.

New mail and results of deliveries fail separately: when the disk has no room for both, new mail is
refused, and results are written alone, from the reserve. What cannot be stored at all is found by
writing each part by itself, so that one bad message does not refuse the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pillarbox.errors import PillarboxError
from pillarbox.store.port import (
    Batch,
    Fenced,
    JournalEntry,
    Keeper,
    KeptMessage,
    Settlement,
    StartMark,
    StoreFull,
    StoreUnavailable,
)

__all__ = ["GroupCommit", "Told"]

_MOST_MESSAGES: Final = 500  # in one commit, so that the first of them need not wait long

Told = Callable[[PillarboxError | None], None]
"""Called once: with None when a part is on disk, or with what kept it from getting there."""


@dataclass(slots=True)
class _Gathering:
    """What waits for the next commit: parts, each committed whole, and who waits for which."""

    mail: list[tuple[KeptMessage, Told]] = field(default_factory=list)
    results: list[tuple[Batch, Told]] = field(default_factory=list)  # with their DSNs
    record: list[JournalEntry] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.mail or self.results or self.record)

    @property
    def is_alone(self) -> bool:
        """Whether no more than one waits."""
        return len(self.mail) + len(self.results) <= 1

    def take_all(self) -> list[Told]:
        """Release everybody who waits, to be told."""
        return self.take_senders() + self.take_settlers()

    def take_senders(self) -> list[Told]:
        """Release those who wait for new mail."""
        mail, self.mail = self.mail, []
        return [told for _, told in mail]

    def take_settlers(self) -> list[Told]:
        """Release those who wait for results."""
        results, self.results = self.results, []
        return [told for _, told in results]

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

    def __init__(self, store: Keeper) -> None:
        """Write to ``store``, on which nobody else may call ``commit``."""
        self._store = store
        self._next = _Gathering()
        self._loop = asyncio.get_running_loop()
        self._committer: asyncio.Task[None] | None = None

    def keep(self, message: KeptMessage) -> asyncio.Future[None]:
        """Request that a new message be stored; the future is done once it is on disk.

        It fails with ``StoreFull``, ``StoreUnavailable``, ``Fenced``, or another ``PillarboxError``
        if the store cannot hold this particular message.
        """
        future = self._loop.create_future()
        self.hand_in(message, partial(_settle, future))
        return future

    def hand_in(self, message: KeptMessage, told: Told) -> None:
        """Request the same, without a future for each message."""
        self._next.mail.append((message, told))
        self._wake()

    def start(self, marks: Sequence[StartMark]) -> asyncio.Future[None]:
        """Request start marks; the future is done once they are on disk."""
        return self._write(Batch(start=list(marks)))

    def settle(
        self, settlements: Sequence[Settlement], new: Sequence[KeptMessage] = ()
    ) -> asyncio.Future[None]:
        """Request that results be written, in one commit with the messages they cause."""
        return self._write(Batch(settle=list(settlements), keep=list(new)))

    def record(self, entries: Sequence[JournalEntry]) -> None:
        """Add journal entries to the next commit. They may be lost in a crash."""
        self._next.record.extend(entries)
        self._wake()

    async def drain(self) -> None:
        """Wait until nothing is left to write."""
        while self._committer is not None:
            await asyncio.shield(self._committer)

    def _write(self, part: Batch) -> asyncio.Future[None]:
        future = self._loop.create_future()
        self._next.results.append((part, partial(_settle, future)))
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
                    self._tell(gathered.take_all(), StoreUnavailable("the commit was broken off"))
        finally:
            self._committer = None
            if self._next:  # only when it was broken off
                left, self._next = self._next, _Gathering()
                self._tell(left.take_all(), StoreUnavailable("the commit was broken off"))

    async def _commit(self, gathered: _Gathering) -> None:
        try:
            await self._store.commit(gathered.batch(with_mail=True))
        except StoreFull as error:
            self._tell(gathered.take_senders(), error)
            await self._commit_results(gathered)
        except (StoreUnavailable, Fenced) as error:
            self._tell(gathered.take_all(), error)
        except PillarboxError:
            await self._commit_apart(gathered)
        else:
            self._tell(gathered.take_all(), None)

    async def _commit_results(self, gathered: _Gathering) -> None:
        if gathered.results:
            try:
                await self._store.commit(gathered.batch(with_mail=False))
            except PillarboxError as error:
                self._tell(gathered.take_settlers(), error)
            else:
                self._tell(gathered.take_settlers(), None)

    async def _commit_apart(self, gathered: _Gathering) -> None:
        while gathered.mail:
            message, told = gathered.mail[0]
            await self._commit_alone(Batch(keep=[message]), told)
            del gathered.mail[0]
        while gathered.results:
            await self._commit_alone(*gathered.results[0])
            del gathered.results[0]

    async def _commit_alone(self, part: Batch, told: Told) -> None:
        try:
            await self._store.commit(part)
        except PillarboxError as error:
            self._tell((told,), error)
        else:
            self._tell((told,), None)

    def _tell(self, waiting: Iterable[Told], error: PillarboxError | None) -> None:
        """Tell those who wait, once the next commit has started, if there is one."""
        if self._next:
            self._loop.call_soon(self._tell_now, waiting, error)
        else:
            self._tell_now(waiting, error)

    def _tell_now(self, waiting: Iterable[Told], error: PillarboxError | None) -> None:
        for told in waiting:
            try:
                told(error)
            except Exception as defect:  # noqa: BLE001 - a defect of one is not the others'
                context = {"message": "after a commit", "exception": defect}
                self._loop.call_exception_handler(context)


def _settle(future: asyncio.Future[None], error: PillarboxError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
