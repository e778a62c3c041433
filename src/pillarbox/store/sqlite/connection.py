"""Opens the file: the lock, the library version, the settings of a connection.

One process owns the file, by a lock on ``PATH.lock``, and in it one connection writes and
checkpoints. SQLite before 3.51.3 could lose a checkpointed page when two connections did (the
"WAL-reset" bug); such a library is refused anyway.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import apsw

from pillarbox.errors import PermanentError
from pillarbox.store.statements import statements

__all__ = ["APPLICATION_ID", "FileLock", "check_library", "connect_reader", "connect_writer"]

SQL: Final = statements("pillarbox.store.sqlite", "write.sql")

_OLDEST_LIBRARY: Final = (3, 51, 3)
APPLICATION_ID: Final = 0x50424F58  # "PBOX"
_CACHE_KIB: Final = 32 * 1024


class FileLock:
    """The right to use a store's file, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Take the lock of the store at ``path``.

        Raises:
            PermanentError: Another process has it; its id is named.
        """
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise PermanentError(f"{path} is in use by process {owner or 'unknown'}") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it could take it from its next owner."""
        os.close(self._file)


def check_library(version: str = apsw.sqlite_lib_version()) -> None:
    """Refuse a SQLite that can corrupt the file.

    Raises:
        PermanentError: It is older than 3.51.3.
    """
    if tuple(map(int, version.split("."))) < _OLDEST_LIBRARY:
        raise PermanentError(f"SQLite {version} has the WAL-reset bug; 3.51.3 or newer is needed")


def connect_writer(path: Path, *, synchronous: str) -> apsw.Connection:
    """Open the connection that writes; make the file, readable by its owner only."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = apsw.Connection(
        str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=400
    )
    if not _tables(connection):
        connection.pragma("page_size", 4096)
        connection.pragma("application_id", APPLICATION_ID)
    elif connection.pragma("application_id") != APPLICATION_ID:
        connection.close()
        raise PermanentError(f"{path} is not a pillarbox store")
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", synchronous)
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("temp_store", "memory")
    connection.pragma("journal_size_limit", 64 * 1024 * 1024)
    connection.wal_autocheckpoint(0)  # the writer's thread does it between two commits
    return connection


def _tables(connection: apsw.Connection) -> int:
    """Return how many tables and indexes there are: none in a file that was just made."""
    return int(connection.execute(SQL["count_tables"]).get)


def connect_reader(path: Path) -> apsw.Connection:
    """Open a connection that only reads, and so never checkpoints."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=100)
    connection.pragma("cache_size", -_CACHE_KIB)
    return connection
