"""The writing connection: one transaction per batch, one statement for many rows.

Everything here runs in the writer's thread. A statement with many rows of values releases the
interpreter lock once, not once per row: beside a busy event loop that decides the speed.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final, TypeVar

import apsw

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
    StoreFull,
)
from pillarbox.store.recipients import changed
from pillarbox.store.rows import message_row, recipient_row, settlement_row
from pillarbox.store.sqlite.failures import FailureGuard
from pillarbox.store.statements import multi_row, statements

__all__ = ["Writer"]

_T = TypeVar("_T")

SQL: Final = statements("pillarbox.store.sqlite", "write.sql")

_MOST_ROWS: Final = 64  # in one statement; what does not fit goes in halves of it
_MOST_QUEUES: Final = 100_000  # whose numbers are remembered
_PAGE: Final = 4_096  # octets
_CHECKPOINT_PAGES: Final = 4_000  # of the write-ahead log
_WEIGHT: Final = 1 / 8  # of the last commit in what a typical one takes
_SWEEP: Final = 2_000  # rows a call
_LONGEST_TRANSFER: Final = 86_400.0  # seconds after which nobody is still sending a body

# What may end a recipient: a final state, or an uncertain delivery that is not tried again.
_ENDS: Final = FINAL_STATES | {RecipientState.UNCERTAIN}


class Writer:
    """Does what changes the file."""

    def __init__(
        self, connection: apsw.Connection, node: str, epoch: int, now: Callable[[], float]
    ) -> None:
        """Write as ``node`` in ``epoch``; ``now`` is the wall clock."""
        self.guard = FailureGuard()
        self._connection = connection
        self._file = connection.filename
        self._execute: Callable[..., Any] = connection.execute  # rows are of the schema's types
        self._owner = (node, epoch)
        self._now = now
        self._queues: dict[QueueKey, int] = {}
        self._new_queues: dict[QueueKey, int] = {}  # of the transaction under way
        self._forgotten = 0  # times that all queue numbers were forgotten
        self._wal_pages = 0
        self._journal = JournalBuffer()
        self.typical_seconds = 1.0  # of a commit: lately, with what waited for it
        connection.set_wal_hook(self._note_wal)

    # --- transactions -------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._guarded_transaction():
                yield
        except StoreFull:
            # Emptying the log makes room in it: enough for results, if not for mail.
            self._wal_pages = _CHECKPOINT_PAGES
            raise

    @contextmanager
    def _guarded_transaction(self) -> Iterator[None]:
        with self.guard.watch(self._connection):
            self._execute("BEGIN IMMEDIATE")
            if self._execute(SQL["check_epoch"], self._owner).fetchone() is None:
                raise Fenced(f"node {self._owner[0]!r} was opened by another process")
            self._new_queues.clear()
            yield
            self._execute("COMMIT")
            # Only now: numbers given in a transaction that failed do not exist.
            if len(self._queues) > _MOST_QUEUES:
                self._forget_queues()
            self._queues.update(self._new_queues)

    def in_transaction(self, function: Callable[[Callable[..., Any]], _T]) -> _T:
        """Call a function with the connection's ``execute`` in a transaction, fenced as all are."""
        with self._transaction():
            return function(self._execute)

    @property
    def has_long_log(self) -> bool:
        """Whether the write-ahead log has grown so much that it is time for a checkpoint."""
        return self._wal_pages >= self._longest_log()

    def checkpoint(self) -> None:
        """Move what is in the write-ahead log into the file, if it has grown enough."""
        if self.guard.reason or not self.has_long_log:
            return
        self._wal_pages = 0
        try:
            with self.guard.watch(self._connection):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except PillarboxError:
            self._wal_pages = 0  # no room: tried again later; a failed disk: the next write tells

    def _longest_log(self) -> int:
        """Return the pages at which the log is emptied: fewer where the disk is nearly full.

        Emptying it makes the file grow; that room must still be there.
        """
        try:
            disk = os.statvfs(self._file)
        except OSError:
            return _CHECKPOINT_PAGES
        free_pages = disk.f_bavail * disk.f_frsize // _PAGE
        return min(_CHECKPOINT_PAGES, free_pages // 4)

    def slack(self) -> int:
        """Return the octets free inside the file, less those that the log will move into it.

        Below zero, the disk must keep that much room for the next checkpoint.
        """
        free_pages: int = self._connection.pragma("freelist_count")
        return (free_pages - self._wal_pages) * _PAGE

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _many(self, name: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run a statement on many rows, in few steps; return how many rows it changed."""
        changed = 0
        begin, size = 0, _MOST_ROWS
        while begin < len(rows):
            while size > len(rows) - begin:
                size //= 2
            bindings = tuple(chain.from_iterable(rows[begin : begin + size]))
            self._execute(multi_row(SQL[name], size), bindings)
            changed += self._connection.changes()
            begin += size
        return changed

    # --- batches ------------------------------------------------------------------

    def commit(self, batch: Batch) -> None:
        """Write a batch, all or nothing."""
        began = time.perf_counter()
        with self._transaction():
            self._keep(batch.keep)
            self._start(batch.start)
            self._settle(batch.settle)
        taken = time.perf_counter() - began
        self.typical_seconds += _WEIGHT * (taken - self.typical_seconds)

    def _keep(self, messages: Sequence[KeptMessage]) -> None:
        if not messages:
            return
        self._many("keep_message", [message_row(message) for message in messages])
        bodies = [(m.id, m.content) for m in messages if m.content is not None]
        self._many("keep_body", bodies)
        queues = self._queues
        self._many(
            "keep_recipient",
            [
                recipient_row(
                    message, recipient, queues.get(recipient.queue) or self._number(recipient.queue)
                )
                for message in messages
                for recipient in message.recipients
            ],
        )
        if len(bodies) < len(messages):
            for message in messages:
                if message.content is None:
                    self._require_chunks(message.id)

    def _number(self, queue: QueueKey) -> int:
        """Return the number of a queue that is not remembered."""
        number = self._new_queues.get(queue)
        if number is None:
            key = (queue.lane, queue.destination, queue.route, queue.source)
            row = self._execute(SQL["find_queue"], key).fetchone()
            row = row or self._execute(SQL["add_queue"], key).fetchone()
            self._new_queues[queue] = number = row[0]
        return number

    def _require_chunks(self, message: MessageId) -> None:
        if self._execute(SQL["count_chunks"], (message,)).fetchone() == (0,):
            raise PermanentError(f"message {show_id(message)} has no content")

    def _start(self, marks: Sequence[StartMark]) -> None:
        self._many(
            "start_attempts",
            [(mark.message, position) for mark in marks for position in mark.indexes],
        )

    def _settle(self, results: Sequence[Settlement]) -> None:
        if not results:
            return
        rows = {(r.message, r.index): settlement_row(r) for r in results}  # the last one counts
        if self._many("settle_recipients", list(rows.values())) < len(rows):
            self._require_recipients(rows)
        self._finish({r.message for r in results if r.state in _ENDS})

    def _require_recipients(self, keys: Iterable[tuple[MessageId, int]]) -> None:
        for message, position in keys:
            if self._execute(SQL["recipient_exists"], (message, position)).fetchone() is None:
                raise PermanentError(f"nothing to settle in {show_id(message)}, {position}")

    def _finish(self, messages: set[MessageId]) -> None:
        """Let go of the bodies of messages whose recipients are all done."""
        if not messages:
            return
        ids = apsw.carray(array("q", sorted(messages)))
        self._execute(SQL["finish_messages"], (self._now(), ids))
        self._execute(SQL["drop_bodies"], (ids,))
        self._execute(SQL["drop_chunks"], (ids,))

    # --- large bodies ---------------------------------------------------------------

    def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large body."""
        with self._transaction():
            self._execute(SQL["write_chunk"], (message, number, chunk))

    def discard_chunks(self, message: MessageId) -> None:
        """Forget the chunks of a message that will not be kept."""
        with self._transaction():
            self._execute(SQL["discard_chunks"], (message,))

    def discard_orphans(self, before: MessageId) -> None:
        """Forget the chunks that were written for messages which were never kept.

        Args:
            before: Only those of messages with a lower id; others may still be coming in.
        """
        with self._transaction():
            for (message,) in self._execute(SQL["orphan_chunks"], (before,)).fetchall():
                self._execute(SQL["discard_chunks"], (message,))

    # --- states ---------------------------------------------------------------------

    def recover(self) -> list[tuple[MessageId, int]]:
        """Queue again what was in flight when the process died; return what it was."""
        with self._transaction():
            found: list[tuple[MessageId, int]] = self._execute(
                SQL["recover"], (self._now(),)
            ).fetchall()
            return found

    def bring_near(self, now: float, latest: float) -> int:
        """Make retries that are due later due at ``latest``, a bounded amount; return how much."""
        with self._transaction():
            self._execute(SQL["bring_near"], (latest, latest, first_id_at(now), _SWEEP))
            return self._connection.changes()

    def count_crash(self, message: MessageId, indexes: Sequence[int]) -> int:
        """Add one to the crash count of a suspect; return the highest new count."""
        with self._transaction():
            counts = [
                int(crashes)
                for index in indexes
                for (crashes,) in self._execute(SQL["count_crash"], (message, index)).fetchall()
            ]
        return max(counts)

    def change(
        self, steps: Sequence[tuple[KeptMessage, KeptRecipient, KeptRecipient]]
    ) -> list[Changed]:
        """Do an operator's changes, but for recipients that have moved on meanwhile."""
        reached: list[Changed] = []
        with self._transaction():
            for message, old, new in steps:
                self._execute(
                    SQL["change_recipient"],
                    (
                        new.state.value,
                        new.crashes,
                        new.next_attempt_at,
                        None if new.queue == old.queue else self._number(new.queue),
                        message.id,
                        old.index,
                        old.state.value,
                    ),
                )
                if self._connection.changes():
                    reached.append(changed(message.id, old, new))
            self._finish({c.message for c in reached if c.state in _ENDS})
        return reached

    # --- journal --------------------------------------------------------------------

    def record(self, entries: Sequence[JournalEntry]) -> bool:
        """Take entries, in any thread; return whether it is time for a ``flush``."""
        return self._journal.add(entries)

    def flush(self) -> None:
        """Write the entries that have come together."""
        days = self._journal.take()
        if not days:
            return
        with self._transaction():
            for day, entries in days.items():
                (number,) = self._execute(SQL["next_journal_number"], (day,)).fetchone()
                self._execute(SQL["write_journal"], (day, number, pack(entries)))
                rows = [(day, message, number) for message in messages_of(entries)]
                self._many("index_journal", rows)

    # --- upkeep ---------------------------------------------------------------------

    def sweep(self, now: float, keep_final: float, keep_journal: float) -> int:
        """Remove what is older than its time, a bounded amount; return how much."""
        oldest_day = int((now - keep_journal) // DAY)
        self.discard_orphans(first_id_at(now - _LONGEST_TRANSFER))
        with self._transaction():
            found = self._execute(SQL["sweep_messages"], (now - keep_final, _SWEEP)).fetchall()
            if found:
                ids = apsw.carray(array("q", [message for (message,) in found]))
                self._execute(SQL["delete_recipients"], (ids,))
                self._execute(SQL["delete_messages"], (ids,))
            removed = len(found)
            self._execute(SQL["sweep_journal"], (oldest_day, _SWEEP))
            removed += self._connection.changes()
            self._execute(SQL["sweep_journal_index"], (oldest_day, _SWEEP * 10))
            return removed + self._connection.changes()

    def watch_queues(self) -> int:
        """Begin to note which queues are used; return what ``drop_queues`` has to be told."""
        self._forget_queues()
        return self._forgotten

    def drop_queues(self, idle: Sequence[int], watch: int) -> int:
        """Remove queues that nothing stood in, but for those used since ``watch``."""
        if watch != self._forgotten:
            return 0  # too many were used to know them all
        numbers = sorted(set(idle).difference(self._queues.values()))
        if not numbers:
            return 0
        with self._transaction():
            self._execute(SQL["drop_queues"], (apsw.carray(array("q", numbers)),))
            return self._connection.changes()

    def _forget_queues(self) -> None:
        self._queues.clear()
        self._forgotten += 1

    def close(self, suspects: Sequence[tuple[MessageId, int]] = ()) -> None:
        """Write what is left, say that the stop was clean, and close the connection.

        Args:
            suspects: Recipients to leave as an unclean stop would: in flight.
        """
        try:
            if not self.guard.reason:
                self.flush()
                with self._transaction():
                    for key in suspects:
                        self._execute(SQL["suspect_again"], key)
                    if not suspects:
                        self._execute(SQL["close_node"], self._owner)
        finally:
            self._connection.set_wal_hook(None)
            self._connection.close()
