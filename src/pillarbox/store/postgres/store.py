"""The store in PostgreSQL.

One connection writes, another reads, so that reading never waits for a commit. Several nodes may
share the database: queues belong to a node, each write is fenced by its epoch, and the queues of a
node that has been silent for long are adopted by another. Backups are made with PostgreSQL's own
tools.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

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
    KeptMessage,
    MessageId,
    QueueCount,
    Selection,
    StoreUnavailable,
    Way,
    Work,
)
from pillarbox.store.postgres.credentials import PostgresCredentials
from pillarbox.store.postgres.link import Link
from pillarbox.store.postgres.migration import migrate
from pillarbox.store.postgres.notes import PostgresNotes
from pillarbox.store.postgres.queries import SQL
from pillarbox.store.postgres.reader import Reader
from pillarbox.store.postgres.verification import verify_database
from pillarbox.store.postgres.writer import Writer
from pillarbox.store.recipients import change_recipient, matches
from pillarbox.store.statements import migrations

__all__ = ["PostgresStore"]

_QUEUES_EVERY: Final = 6 * 3600.0  # seconds between two looks for queues that nothing stands in
_CHANGE_AT_ONCE: Final = 500  # messages of an operator's change in one transaction
_EVERY_ID: Final = MessageId(2**63 - 1)


@dataclass(frozen=True, slots=True)
class _Session:
    """What there is while the store is open."""

    writer: Writer
    reader: Reader
    links: tuple[Link, Link]
    suspects: tuple[tuple[MessageId, int], ...]


class PostgresStore:
    """Keeps the mail of one node in a database."""

    def __init__(self, url: str, *, node: str, now: Callable[[], float]) -> None:
        """Keep the mail of ``node`` at ``url`` (libpq); ``now`` is the wall clock."""
        self._url = url
        self._node = node
        self._now = now
        self.credentials = PostgresCredentials(lambda: self._session.links[1])
        self.notes = PostgresNotes(lambda: self._session.links[1])
        self._opened: _Session | None = None
        self._queues_swept_at = 0.0
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the store must be opened again: never, it connects again by itself."""
        return False

    @property
    def _session(self) -> _Session:
        if self._opened is None:
            raise StoreUnavailable("the database is not open")
        return self._opened

    # --- life ---------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, migrate if needed, and begin an epoch."""
        writing, reading = links = Link(self._url, is_first=True), Link(self._url)
        try:
            async with writing.use() as connection:
                await migrate(connection, migrations("pillarbox.store.postgres"))
                was_clean = await connection.fetchval(SQL["was_clean"], self._node)
                epoch = await connection.fetchval(SQL["begin_epoch"], self._node, self._now())
            writer = Writer(writing, self._node, epoch, self._now)
            await writer.discard_orphans(_EVERY_ID)
            suspects = await writer.recover()
        except BaseException:
            await writing.close()
            raise
        self._queues_swept_at = self._now()
        if was_clean is not False:
            suspects = []
        self._opened = _Session(writer, Reader(reading, self._node), links, tuple(suspects))

    async def close(self, *, keep_suspects: bool = False) -> None:
        """Write what is left and disconnect. Safe to call twice."""
        if self._opened is None:
            return
        session, self._opened = self._opened, None
        if self._flush is not None:
            self._flush.cancel()
        try:
            with contextlib.suppress(PillarboxError):  # then the stop was not clean
                await session.writer.close(session.suspects if keep_suspects else ())
        finally:
            for link in session.links:
                await link.close()

    async def heartbeat(self, *, now: float) -> None:
        """Say that this node lives."""
        await self._session.writer.heartbeat(now)

    async def adopt(self, *, now: float, dead_after: float) -> tuple[str, ...]:
        """Take over the mail of nodes that died; return their names."""
        return await self._session.writer.adopt(now, dead_after)

    async def free_octets(self) -> int | None:
        """Return None: a client cannot see the server's disk."""
        return None

    # --- writing ------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Write a batch durably, all or nothing."""
        session = self._session
        if batch.record and self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_AFTER, self._flush_now)
        await session.writer.commit(batch)

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large body."""
        await self._session.writer.write_chunk(message, number, chunk)

    async def discard_chunks(self, message: MessageId) -> None:
        """Forget the chunks of a message that will not be kept."""
        await self._session.writer.discard_chunks(message)

    def _flush_now(self) -> None:
        self._flush = None
        self._flushing = asyncio.get_running_loop().create_task(self._flush_journal())

    async def _flush_journal(self) -> None:
        # What could not be written is lost; the next write of mail tells why.
        with contextlib.suppress(PillarboxError):
            await self._session.writer.flush()

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
        return await self._session.reader.load(now, limit, per_queue, exclude, after)

    async def next_due_at(self, *, after: float) -> float | None:
        """Return the earliest ``next_attempt_at`` later than ``after``, or None."""
        return await self._session.reader.next_due_at(after)

    async def bring_near(self, *, now: float, latest: float) -> int:
        """Make retries that are due later due at ``latest``, a bounded amount a call; return how
        much.
        """
        return await self._session.writer.bring_near(now, latest)

    async def suspects(self) -> tuple[Work, ...]:
        """Return what was in flight when the process last died."""
        session = self._session
        return await session.reader.work(session.suspects)

    async def count_crash(self, message: MessageId, indexes: Sequence[int]) -> int:
        """Durably add one to the crash count of a suspect; return the highest new count."""
        return await self._session.writer.count_crash(message, indexes)

    async def body(self, message: MessageId) -> AsyncIterator[bytes]:
        """Read a message's content in chunks of at most 64 KiB."""
        found = await self._session.reader.body(message)
        if found is None:
            raise BodyDamaged(f"body of {show_id(message)}: there is none")
        size, checksum, content = found
        chunks = self._chunks(message) if content is None else _once(content)
        async for chunk in checked(message, chunks, size=size, checksum=checksum):
            yield chunk

    async def _chunks(self, message: MessageId) -> AsyncIterator[bytes]:
        number = 0
        while chunk := await self._session.reader.chunk(message, number):
            yield chunk
            number += 1

    # --- seeing and steering ------------------------------------------------------

    async def message(self, message: MessageId) -> KeptMessage | None:
        """Return one message with all its recipients, without its content."""
        found = await self._session.reader.messages((message,))
        return found[0] if found else None

    async def find(
        self, selection: Selection, *, limit: int, after: MessageId | None = None
    ) -> tuple[KeptMessage, ...]:
        """Return messages, of all nodes, with at least one matching recipient."""
        return await self._session.reader.find(selection, limit, after)

    async def change(
        self, selection: Selection, change: Change, *, now: float, way: Way | None = None
    ) -> tuple[Changed, ...]:
        """Do one thing to all matching recipients of this node."""
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
            reached += await session.writer.change(steps)
        return tuple(reached)

    async def count(self, *, now: float) -> tuple[QueueCount, ...]:
        """Return the numbers behind ``pillarbox queue summary``, of this node."""
        return await self._session.reader.count(now)

    async def history(self, message: MessageId) -> tuple[bytes, ...]:
        """Return a message's journal entries in the order they were recorded."""
        session = self._session
        await session.writer.flush()
        return await session.reader.history(message)

    # --- upkeep -------------------------------------------------------------------

    async def sweep(self, *, now: float, keep_final: float, keep_journal: float) -> int:
        """Remove what is older than its time, a bounded amount a call; return how much."""
        session = self._session
        removed = await session.writer.sweep(now, keep_final, keep_journal)
        if removed or now - self._queues_swept_at < _QUEUES_EVERY:
            return removed
        self._queues_swept_at = now
        watch = await session.writer.watch_queues()
        return await session.writer.drop_queues(await session.reader.idle_queues(), watch)

    async def backup(self, path: str) -> None:
        """Refuse: PostgreSQL has its own tools for it."""
        raise PermanentError(f"copy the database to {path} with pg_dump or pg_basebackup")

    async def verify(self) -> tuple[Finding, ...]:
        """Check the whole database, and whether its server keeps what it promises."""
        _ = self._session
        link = Link(self._url)
        try:
            async with link.use() as connection:
                return await verify_database(connection)
        finally:
            await link.close()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
