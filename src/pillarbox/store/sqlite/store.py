"""The store in one SQLite file.

Calls are executed in one of two threads: the writer's, which owns the only connection that writes
or checkpoints, and the reader's. Durability is SQLite's: a write-ahead log, synced at every commit
(``synchronous=FULL``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.findings import Finding
from pillarbox.policy.queue import QueueKey
from pillarbox.store.bodies import checked
from pillarbox.store.ids import show_id
from pillarbox.store.journal import FLUSH_AFTER
from pillarbox.store.port import (
    Batch,
    BodyDamaged,
    Change,
    Changed,
    JournalEntry,
    KeptMessage,
    MessageId,
    QueueCount,
    Selection,
    StoreUnavailable,
    Way,
    Work,
)
from pillarbox.store.recipients import change_recipient, matches
from pillarbox.store.sqlite.backup import copy_database
from pillarbox.store.sqlite.connection import FileLock, check_library
from pillarbox.store.sqlite.credentials import Execute, SqliteCredentials
from pillarbox.store.sqlite.notes import SqliteNotes
from pillarbox.store.sqlite.opening import Opened, open_file, with_reader
from pillarbox.store.sqlite.reader import find_idle_queues
from pillarbox.store.sqlite.verification import verify_file
from pillarbox.store.sqlite.worker import Worker

__all__ = ["SqliteStore"]

_T = TypeVar("_T")

_QUICK: Final = 0.001  # seconds for which a commit may hold up the event loop
_QUEUES_EVERY: Final = 6 * 3600.0  # seconds between two looks for queues that nothing stands in
_CHANGE_AT_ONCE: Final = 500  # messages of an operator's change in one transaction


@dataclass(frozen=True, slots=True)
class _Session:
    """What there is while the store is open."""

    lock: FileLock
    writing: Worker
    reading: Worker
    file: Opened

    @property
    def can_commit_here(self) -> bool:
        """Whether a commit of one thing had better be done in the thread of the event loop.

        It is when nothing else is going on and commits take no longer than the two
        hand-overs may, on a busy machine; of a slower disk, or under load, the loop is free.
        On a quick disk and one connection, from final dot to 250, that gave 0.40 instead of
        0.58 ms (median), and 4 instead of 13 ms (99th percentile) beside other load.
        """
        return self.writing.is_idle and self.file.writer.typical_seconds < _QUICK


class SqliteStore:
    """Keeps mail in a file."""

    def __init__(
        self, path: Path, *, node: str, now: Callable[[], float], synchronous: str = "full"
    ) -> None:
        """Keep the mail of ``node`` at ``path``.

        Args:
            path: The file; made, with its folder, if it does not exist.
            node: The name this process goes by.
            now: The wall clock.
            synchronous: SQLite's setting; anything less than ``full`` loses mail at a
                power cut, and is only there so that tests can show that they would notice.
        """
        self._path = path
        self._node = node
        self._now = now
        self._synchronous = synchronous
        self.credentials = SqliteCredentials(self)
        self.notes = SqliteNotes(self)
        self._opened: _Session | None = None
        self._queues_swept_at = 0.0
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the disk failed, so that nothing is written before the next opening."""
        return self._opened is not None and bool(self._opened.file.writer.guard.reason)

    @property
    def _session(self) -> _Session:
        if self._opened is None:
            raise StoreUnavailable(f"{self._path} is not open")
        return self._opened

    # --- life ---------------------------------------------------------------------

    async def open(self) -> None:
        """Open the file in a new epoch; migrate it if needed."""
        check_library()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self._path)
        except OSError as error:
            raise PermanentError(f"cannot open {self._path}: {error}") from error
        writing = Worker("store-writer")
        try:
            file = await writing.run(
                open_file, self._path, self._node, self._now, self._synchronous
            )
        except BaseException:
            writing.stop()
            lock.release()
            raise
        writing.afterward = file.writer.checkpoint
        self._queues_swept_at = self._now()
        self._opened = _Session(lock, writing, Worker("store-reader"), file)

    async def close(self, *, keep_suspects: bool = False) -> None:
        """Write what is left and close the file. Safe to call twice."""
        if self._opened is None:
            return
        session, self._opened = self._opened, None
        if self._flush is not None:
            self._flush.cancel()
        suspects = session.file.suspects if keep_suspects else ()
        try:
            # The reader first: the last to close, the writer, empties the write-ahead log.
            await session.reading.run(session.file.reader.close)
            with contextlib.suppress(PillarboxError):  # then the stop was not clean
                session.writing.afterward = None  # there is no checkpoint behind the last one
                await session.writing.run(session.file.writer.close, suspects)
        finally:
            session.reading.stop()
            session.writing.stop()
            session.lock.release()

    async def heartbeat(self, *, now: float) -> None:
        """Say that the node lives; nobody listens, for the file has one user."""
        del now
        _ = self._session

    async def adopt(self, *, now: float, dead_after: float) -> tuple[str, ...]:
        """Take over the mail of dead nodes: whoever has the file has all that is in it."""
        del now, dead_after
        _ = self._session
        return ()

    async def free_octets(self) -> int | None:
        """Return how many octets more the file can take, what is free inside it included."""
        session = self._session
        slack = await session.writing.run(session.file.writer.slack)
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise StoreUnavailable(f"{self._path.parent}: {error}") from error
        return max(disk.f_bavail * disk.f_frsize + slack, 0)

    # --- writing ------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Write a batch durably, all or nothing."""
        session = self._session
        size = len(batch.keep) + len(batch.start) + len(batch.settle)
        if size == 1 and session.can_commit_here:
            try:
                session.file.writer.commit(batch)
            finally:
                if session.file.writer.has_long_log:
                    session.writing.submit(session.file.writer.checkpoint)
        elif size:
            await session.writing.run(session.file.writer.commit, batch)
        if batch.record:
            self._record(session, batch.record)

    def _record(self, session: _Session, entries: Sequence[JournalEntry]) -> None:
        if session.file.writer.record(entries):
            self._flush_now()
        elif self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_AFTER, self._flush_now)

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large body."""
        session = self._session
        await session.writing.run(session.file.writer.write_chunk, message, number, chunk)

    async def discard_chunks(self, message: MessageId) -> None:
        """Forget the chunks of a message that will not be kept."""
        session = self._session
        await session.writing.run(session.file.writer.discard_chunks, message)

    def _flush_now(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
        self._flush = None
        self._flushing = asyncio.get_running_loop().create_task(self._flush_journal())

    async def _flush_journal(self) -> None:
        # What could not be written is lost; the next write of mail tells why.
        with contextlib.suppress(PillarboxError):
            session = self._session
            await session.writing.run(session.file.writer.flush)

    async def read(self, function: Callable[[Execute], _T]) -> _T:
        """Call a function with a snapshot of the file, in the reader's thread."""
        session = self._session
        return await session.reading.run(session.file.reader.in_snapshot, function)

    async def write(self, function: Callable[[Execute], _T]) -> _T:
        """Call a function in a transaction, in the writer's thread."""
        session = self._session
        return await session.writing.run(session.file.writer.in_transaction, function)

    # --- delivering ---------------------------------------------------------------

    async def load(
        self,
        *,
        now: float,
        limit: int,
        per_queue: int,
        exclude: frozenset[tuple[MessageId, int]],
        after: QueueKey | None = None,
    ) -> tuple[Work, ...]:
        """Read back what is due, a fair share of each queue."""
        session = self._session
        return await session.reading.run(
            session.file.reader.load, now, limit, per_queue, exclude, after
        )

    async def next_due_at(self, *, after: float) -> float | None:
        """Return the earliest ``next_attempt_at`` later than ``after``, or None."""
        session = self._session
        return await session.reading.run(session.file.reader.next_due_at, after)

    async def bring_near(self, *, now: float, latest: float) -> int:
        """Make retries that are due later due at ``latest``, a bounded amount a call; return how
        much.
        """
        session = self._session
        return await session.writing.run(session.file.writer.bring_near, now, latest)

    async def suspects(self) -> tuple[Work, ...]:
        """Return what was in flight when the process last died."""
        session = self._session
        return await session.reading.run(session.file.reader.work, session.file.suspects)

    async def count_crash(self, message: MessageId, indexes: Sequence[int]) -> int:
        """Durably add one to the crash count of a suspect; return the highest new count."""
        session = self._session
        return await session.writing.run(session.file.writer.count_crash, message, indexes)

    async def body(self, message: MessageId) -> AsyncIterator[bytes]:
        """Read a message's content in chunks of at most 64 KiB."""
        session = self._session
        found = await session.reading.run(session.file.reader.body, message)
        if found is None:
            raise BodyDamaged(f"body of {show_id(message)}: there is none")
        size, checksum, content = found
        chunks = self._chunks(message) if content is None else _once(content)
        async for chunk in checked(message, chunks, size=size, checksum=checksum):
            yield chunk

    async def _chunks(self, message: MessageId) -> AsyncIterator[bytes]:
        session = self._session
        number = 0
        while chunk := await session.reading.run(session.file.reader.chunk, message, number):
            yield chunk
            number += 1

    # --- seeing and steering ------------------------------------------------------

    async def message(self, message: MessageId) -> KeptMessage | None:
        """Return one message with all its recipients, without its content."""
        session = self._session
        found = await session.reading.run(session.file.reader.messages, (message,))
        return found[0] if found else None

    async def find(
        self, selection: Selection, *, limit: int, after: MessageId | None = None
    ) -> tuple[KeptMessage, ...]:
        """Return messages with at least one matching recipient, in the order of their ids."""
        session = self._session
        return await session.reading.run(session.file.reader.find, selection, limit, after)

    async def change(
        self, selection: Selection, change: Change, *, now: float, way: Way | None = None
    ) -> tuple[Changed, ...]:
        """Do one thing to all matching recipients, a few hundred messages at a time."""
        session = self._session
        reached: list[Changed] = []
        after: MessageId | None = None
        while found := await self.find(selection, limit=_CHANGE_AT_ONCE, after=after):
            after = found[-1].id
            steps = [
                (message, old, new)
                for message in found
                for old in message.recipients
                if matches(selection, message, old)
                and (new := change_recipient(old, change, now, way)) is not None
            ]
            reached += await session.writing.run(session.file.writer.change, steps)
        return tuple(reached)

    async def count(self, *, now: float) -> tuple[QueueCount, ...]:
        """Return the numbers behind ``pillarbox queue summary``."""
        session = self._session
        return await session.reading.run(session.file.reader.count, now)

    async def history(self, message: MessageId) -> tuple[bytes, ...]:
        """Return a message's journal entries in the order they were recorded."""
        session = self._session
        await session.writing.run(session.file.writer.flush)
        return await session.reading.run(session.file.reader.history, message)

    # --- upkeep -------------------------------------------------------------------

    async def sweep(self, *, now: float, keep_final: float, keep_journal: float) -> int:
        """Remove what is older than its time, a bounded amount a call; return how much."""
        session = self._session
        writing, writer = session.writing, session.file.writer
        removed = await writing.run(writer.sweep, now, keep_final, keep_journal)
        if removed or now - self._queues_swept_at < _QUEUES_EVERY:
            return removed
        self._queues_swept_at = now
        watch = await writing.run(writer.watch_queues)
        return await writing.run(writer.drop_queues, await self._aside(find_idle_queues), watch)

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a new file while the node runs."""
        _ = self._session
        await self._aside(copy_database, Path(path))

    async def verify(self) -> tuple[Finding, ...]:
        """Check the whole file while the node runs."""
        _ = self._session
        return await self._aside(verify_file)

    async def _aside(self, function: Callable[..., _T], *args: object) -> _T:
        """Do something long with a connection and a thread of its own."""
        worker = Worker("store-aside")
        try:
            return await worker.run(with_reader, self._path, function, *args)
        finally:
            worker.stop()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
