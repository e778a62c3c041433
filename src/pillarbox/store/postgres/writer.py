"""Writes to the database: each call is one transaction, fenced by the node's epoch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.policy.queue import FINAL_STATES, QueueKey, RecipientState
from pillarbox.store.ids import first_id_at, show_id
from pillarbox.store.journal import DAY, JournalBuffer, messages_of, pack
from pillarbox.store.port import (
    Batch,
    Changed,
    Fenced,
    JournalEntry,
    KeptMessage,
    KeptRecipient,
    MessageId,
    Settlement,
    StartMark,
)
from pillarbox.store.postgres.link import Connection, Link
from pillarbox.store.postgres.queries import SQL
from pillarbox.store.recipients import changed
from pillarbox.store.rows import message_row, recipient_row, settlement_row

__all__ = ["Writer"]

_MOST_QUEUES: Final = 100_000  # whose numbers are remembered
_ONE_STEP: Final = 2 * 1024 * 1024  # octets of content; more is streamed by COPY
_SWEEP: Final = 2_000  # rows a call
_LONGEST_TRANSFER: Final = 86_400.0  # seconds after which nobody is still sending a body
_ENDS: Final = FINAL_STATES | {RecipientState.UNCERTAIN}


class Writer:
    """Writes as one node in one epoch."""

    def __init__(self, link: Link, node: str, epoch: int, now: Callable[[], float]) -> None:
        """Write through ``link`` as ``node`` in ``epoch``; ``now`` is the wall clock."""
        self._link = link
        self._node = node
        self._epoch = epoch
        self._now = now
        self._queues: dict[QueueKey, int] = {}
        self._forgotten = 0  # times that all queue numbers were forgotten
        self._journal = JournalBuffer()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._link.transaction() as connection:
            if await connection.fetchval(SQL["check_epoch"], self._node, self._epoch) is None:
                raise self._fenced()
            yield connection

    def _fenced(self) -> Fenced:
        return Fenced(f"node {self._node!r} was opened or adopted by another process")

    # --- batches ------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Write a batch, all or nothing."""
        if not (self._fits_one_step(batch) and await self._keep_in_one_step(batch.keep)):
            await self._write(batch)
        await self.record(batch.record)

    async def _write(self, batch: Batch) -> None:
        if not (batch.keep or batch.start or batch.settle):
            return
        new_queues: dict[QueueKey, int] = {}
        async with self._transaction() as connection:
            if batch.keep:
                await self._keep(connection, batch.keep, new_queues)
            if batch.start:
                await self._start(connection, batch.start)
            if batch.settle:
                await self._settle(connection, batch.settle)
        # Only now: numbers given in a transaction that failed do not exist.
        if len(self._queues) > _MOST_QUEUES:
            self._forget_queues()
        self._queues.update(new_queues)

    def _fits_one_step(self, batch: Batch) -> bool:
        """Whether a batch is new mail only: not much, and for queues that have numbers."""
        if not batch.keep or batch.start or batch.settle:
            return False
        queues, octets = self._queues, 0
        for message in batch.keep:
            if message.content is None or not message.recipients:
                return False
            octets += message.size
            for recipient in message.recipients:
                if recipient.queue not in queues:
                    return False
        return octets <= _ONE_STEP

    async def _keep_in_one_step(self, messages: Sequence[KeptMessage]) -> bool:
        """Keep new mail by one statement, which is a transaction: one round trip, not nine.

        Returns:
            False, and nothing was kept, if numbers of queues were forgotten meanwhile.
        """
        queues = self._queues
        rows = [(*message_row(message), message.content) for message in messages]
        recipients = [
            recipient_row(message, recipient, queues[recipient.queue])
            for message in messages
            for recipient in message.recipients
        ]
        columns = (*zip(*rows, strict=True), *zip(*recipients, strict=True))
        async with self._link.use() as connection:
            if self._queues is not queues:
                return False
            found = await connection.fetchval(
                SQL["keep_messages"], self._node, self._epoch, *columns
            )
            if not found:
                raise self._fenced()
        return True

    async def _keep(
        self,
        connection: Connection,
        messages: Sequence[KeptMessage],
        new_queues: dict[QueueKey, int],
    ) -> None:
        for queue in {recipient.queue for message in messages for recipient in message.recipients}:
            if queue not in self._queues:
                new_queues[queue] = await self._number(connection, queue)
        queues = self._queues | new_queues if new_queues else self._queues
        for message in messages:
            if message.content is None and not await connection.fetchval(
                SQL["has_chunks"], message.id
            ):
                raise PermanentError(f"message {show_id(message.id)} has no content")
        copy = connection.copy_records_to_table
        await copy("message", records=[message_row(m) for m in messages], columns=_MESSAGE)
        bodies = [(m.id, m.content) for m in messages if m.content is not None]
        if bodies:
            await copy("body", records=bodies)
        recipients = [
            recipient_row(message, recipient, queues[recipient.queue])
            for message in messages
            for recipient in message.recipients
        ]
        await copy("recipient", records=recipients)

    async def _number(self, connection: Connection, queue: QueueKey) -> int:
        key = (self._node, queue.lane, queue.destination, queue.route, queue.source)
        number: int | None = await connection.fetchval(SQL["find_queue"], *key)
        if number is None:
            number = int(await connection.fetchval(SQL["add_queue"], *key))
        return number

    async def _start(self, connection: Connection, marks: Sequence[StartMark]) -> None:
        keys = [(mark.message, position) for mark in marks for position in mark.indexes]
        messages, positions = zip(*keys, strict=True)
        await connection.execute(SQL["start_attempts"], messages, positions)

    async def _settle(self, connection: Connection, results: Sequence[Settlement]) -> None:
        rows = {(r.message, r.index): settlement_row(r) for r in results}  # the last one counts
        columns = list(zip(*rows.values(), strict=True))
        status = await connection.execute(SQL["settle_recipients"], *columns)
        if _changed(status) < len(rows):
            found = await connection.fetchval(SQL["count_recipients"], *columns[:2])
            if found < len(rows):
                raise PermanentError(f"nothing to settle for {len(rows) - found} recipients")
        await self._finish(connection, {r.message for r in results if r.state in _ENDS})

    async def _finish(self, connection: Connection, messages: Collection[MessageId]) -> None:
        """Release the bodies of messages whose recipients are all done."""
        if messages:
            await connection.execute(SQL["finish_messages"], sorted(messages), self._now())

    # --- large bodies ---------------------------------------------------------------

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large body."""
        async with self._transaction() as connection:
            await connection.execute(SQL["write_chunk"], message, number, self._node, chunk)

    async def discard_chunks(self, message: MessageId) -> None:
        """Forget the chunks of a message that will not be kept."""
        async with self._transaction() as connection:
            await connection.execute(SQL["discard_chunks"], message)

    async def discard_orphans(self, before: MessageId) -> None:
        """Forget the chunks of this node for which no message was kept."""
        async with self._transaction() as connection:
            await connection.execute(SQL["discard_orphans"], self._node, before)

    # --- states ---------------------------------------------------------------------

    async def recover(self) -> list[tuple[MessageId, int]]:
        """Queue again what was in flight when the process died; return what it was."""
        async with self._transaction() as connection:
            rows = await connection.fetch(SQL["recover"], [self._node], self._now())
        return [tuple(row) for row in rows]

    async def bring_near(self, now: float, latest: float) -> int:
        """Make retries that are due later due at ``latest``, a bounded amount; return how much."""
        bounds = latest, first_id_at(now), _SWEEP
        async with self._transaction() as connection:
            return _changed(await connection.execute(SQL["bring_near"], self._node, *bounds))

    async def count_crash(self, message: MessageId, indexes: Sequence[int]) -> int:
        """Add one to the crash count of a suspect; return the highest new count."""
        async with self._transaction() as connection:
            rows = await connection.fetch(SQL["count_crash"], message, list(indexes))
        return max(int(row[0]) for row in rows)

    async def change(
        self, steps: Sequence[tuple[KeptMessage, KeptRecipient, KeptRecipient]]
    ) -> list[Changed]:
        """Do an operator's changes, but for recipients that have moved on meanwhile."""
        reached: list[Changed] = []
        numbers: dict[QueueKey, int] = {}
        async with self._transaction() as connection:
            statement = await connection.prepare(SQL["change_recipient"])
            for message, old, new in steps:
                if new.queue != old.queue and new.queue not in numbers:
                    numbers[new.queue] = await self._number(connection, new.queue)
                await statement.fetch(
                    new.state.value,
                    new.crashes,
                    new.next_attempt_at,
                    message.id,
                    old.index,
                    old.state.value,
                    self._node,
                    numbers.get(new.queue),
                )
                if _changed(statement.get_statusmsg()):
                    reached.append(changed(message.id, old, new))
            await self._finish(connection, {c.message for c in reached if c.state in _ENDS})
        self._queues.update(numbers)
        return reached

    # --- nodes ----------------------------------------------------------------------

    async def heartbeat(self, now: float) -> None:
        """Say that this node lives."""
        async with self._transaction() as connection:
            await connection.execute(SQL["heartbeat"], self._node, self._epoch, now)

    async def adopt(self, now: float, dead_after: float) -> tuple[str, ...]:
        """Take over the mail of dead nodes; return their names."""
        async with self._transaction() as connection:
            rows = await connection.fetch(SQL["dead_nodes"], self._node, now - dead_after)
            names = [row[0] for row in rows]
            if names:
                await connection.execute(SQL["fence_nodes"], names)
                await connection.execute(SQL["recover"], names, now)
                await connection.execute(SQL["adopt_queues"], self._node, names)
        return tuple(names)

    # --- journal --------------------------------------------------------------------

    async def record(self, entries: Sequence[JournalEntry]) -> None:
        """Buffer entries, to be written when there are enough, or by ``flush``."""
        if entries and self._journal.add(entries):
            # The batch is committed already; its journal may be lost, and the next write
            # tells what is wrong.
            with suppress(PillarboxError):
                await self.flush()

    async def flush(self) -> None:
        """Write the buffered entries."""
        days = self._journal.take()
        if not days:
            return
        async with self._transaction() as connection:
            for day, entries in days.items():
                number = await connection.fetchval(SQL["write_journal"], day, pack(entries))
                spoken_of = messages_of(entries)
                await connection.execute(SQL["index_journal"], day, spoken_of, number)

    # --- upkeep ---------------------------------------------------------------------

    async def sweep(self, now: float, keep_final: float, keep_journal: float) -> int:
        """Remove what is older than its time, a bounded amount; return how much."""
        oldest_day = int((now - keep_journal) // DAY)
        await self.discard_orphans(first_id_at(now - _LONGEST_TRANSFER))
        async with self._transaction() as connection:
            rows = await connection.fetch(SQL["sweep_messages"], now - keep_final, _SWEEP)
            if rows:
                gone = [row[0] for row in rows]
                await connection.execute(SQL["delete_recipients"], gone)
            removed = len(rows)
            for name, limit in (("sweep_journal", _SWEEP), ("sweep_journal_index", 10 * _SWEEP)):
                removed += _changed(await connection.execute(SQL[name], oldest_day, limit))
        return removed

    async def watch_queues(self) -> int:
        """Begin to note which queues are used; return what ``drop_queues`` has to be told."""
        async with self._link.use():  # what was written with numbers from before is written
            self._forget_queues()
            return self._forgotten

    async def drop_queues(self, idle: Sequence[int], watch: int) -> int:
        """Remove queues that nothing stood in, but for those used since ``watch``."""
        async with self._transaction() as connection:
            if watch != self._forgotten:
                return 0  # too many were used to know them all
            numbers = sorted(set(idle).difference(self._queues.values()))
            return _changed(await connection.execute(SQL["drop_queues"], self._node, numbers))

    def _forget_queues(self) -> None:
        self._queues = {}
        self._forgotten += 1

    async def close(self, suspects: Sequence[tuple[MessageId, int]] = ()) -> None:
        """Write what is left and record that the stop was clean.

        Args:
            suspects: Recipients to leave as an unclean stop would: in flight.
        """
        await self.flush()
        async with self._transaction() as connection:
            if suspects:
                messages, positions = zip(*suspects, strict=True)
                await connection.execute(SQL["suspect_again"], messages, positions)
            else:
                await connection.execute(SQL["close_node"], self._node, self._epoch)


def _changed(status: str) -> int:
    """Return how many rows a statement has changed, by its command tag ("UPDATE 3")."""
    return int(status.rpartition(" ")[2])


_MESSAGE: Final = (
    "id",
    "accepted_at",
    "sender_local",
    "sender_domain",
    "body_type",
    "smtputf8",
    "ret",
    "envelope_id",
    "size",
    "checksum",
    "header_size",
    "has_8bit",
    "has_long_lines",
    "message_id_header",
    "origin",
    "identity",
    "client",
    "bounce_of",
)
"""The columns of ``message_row``; the other tables are copied whole."""
