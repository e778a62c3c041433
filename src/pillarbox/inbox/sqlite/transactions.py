"""The inbox's one connection: its transactions, and many rows in few statements."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

import apsw

from pillarbox.errors import PillarboxError
from pillarbox.inbox.sqlite.connection import IN_MEMORY, connect
from pillarbox.store.port import BodyDamaged, StoreFull, StoreUnavailable
from pillarbox.store.sqlite.failures import FailureGuard
from pillarbox.store.statements import multi_row

__all__ = ["Database"]

_MOST_ROWS: Final = 64  # in one statement; what does not fit goes in halves of it
_CHECKPOINT_PAGES: Final = 2_000  # of the write-ahead log
_PAGES_KEPT: Final = 1_000  # that are free, for what comes next


class Database:
    """A file, or a database in memory, that one thread uses."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            PermanentError: The file is damaged, no inbox, or newer than this program.
        """
        self.guard = FailureGuard()
        self._path = path
        self._connection = connect(path)
        self.execute: Callable[..., Any] = self._connection.execute  # rows as the schema has them
        self._wal_pages = 0
        self._is_synced = True
        if path != IN_MEMORY:
            self._connection.set_wal_hook(self._note_wal)
            self._sync(is_synced=False)

    @contextmanager
    def transaction(self, *, is_synced: bool = True) -> Iterator[None]:
        """Do something in a transaction.

        Args:
            is_synced: Whether it must be on disk afterward. What is not is there for every
                reader all the same, and on disk with the next that is.

        Raises:
            StoreFull: There is no room left.
            StoreUnavailable: The disk failed, now or before.
            PermanentError: What was to be stored cannot be stored at all.
        """
        try:
            with self._watched():
                self._sync(is_synced=is_synced)
                self.execute("BEGIN IMMEDIATE")
                yield
                self.execute("COMMIT")
        except StoreFull:
            self._wal_pages = _CHECKPOINT_PAGES  # emptying the log makes room in it
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Look at something; all statements see the same state, for nobody else writes."""
        with self._watched():
            yield

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            with self.guard.watch(self._connection):
                yield
        except UnicodeDecodeError as error:  # every text that was kept is UTF-8
            raise BodyDamaged(f"{self._path} is damaged: {error}") from error

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement with one row of placeholders on many rows, in few steps."""
        for begin in range(0, len(rows), _MOST_ROWS):
            some = rows[begin : begin + _MOST_ROWS]
            self.execute(multi_row(statement, len(some)), tuple(chain.from_iterable(some)))

    def column(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the first column of all rows."""
        return [row[0] for row in self.execute(statement, values).fetchall()]

    def find_or_add(
        self, sql: Mapping[str, str], name: str, key: Sequence[Any], added: Sequence[Any]
    ) -> int:
        """Return the number that ``find_NAME`` finds, or the one that ``add_NAME`` gives."""
        row = self.execute(sql[f"find_{name}"], key).fetchone()
        number: int = (row or self.execute(sql[f"add_{name}"], added).fetchone())[0]
        return number

    def checkpoint(self) -> None:
        """Move what is in the write-ahead log into the file, if it has grown enough."""
        if self.guard.reason or self._wal_pages < _CHECKPOINT_PAGES:
            return
        self._wal_pages = 0
        try:
            with self.guard.watch(self._connection):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except PillarboxError:
            self._wal_pages = 0  # no room: tried again later; a failed disk: the next write tells

    def give_back(self, pages: int) -> bool:
        """Make the file, or the memory, smaller by some pages, if many are free.

        Returns:
            Whether it did.
        """
        with self.reading():
            free: int = self._connection.pragma("freelist_count")
            total: int = self._connection.pragma("page_count")
        if free <= max(total // 4, _PAGES_KEPT):
            return False
        with self.transaction(is_synced=False):
            self.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
        return True

    def free_octets(self) -> int | None:
        """Return how many octets more the file can take; None of memory."""
        if self._path == IN_MEMORY:
            return None
        with self.reading():
            page: int = self._connection.pragma("page_size")
            free: int = self._connection.pragma("freelist_count")
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise StoreUnavailable(f"{self._path.parent}: {error}") from error
        return max(disk.f_bavail * disk.f_frsize + (free - self._wal_pages) * page, 0)

    def close(self) -> None:
        """Close it; what was in memory is gone."""
        if self._path != IN_MEMORY:
            self._connection.set_wal_hook(None)
        self._connection.close()

    def _sync(self, *, is_synced: bool) -> None:
        if is_synced != self._is_synced and self._path != IN_MEMORY:
            self._connection.pragma("synchronous", "full" if is_synced else "normal")
            self._is_synced = is_synced

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK
