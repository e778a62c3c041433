"""Opens the inbox's one connection, to a file or in memory, with its settings."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import apsw

from pillarbox.errors import PermanentError
from pillarbox.store.sqlite.migration import migrate
from pillarbox.store.statements import migrations, statements

__all__ = ["IN_MEMORY", "connect"]

SQL: Final = statements("pillarbox.inbox.sqlite", "keep.sql")

IN_MEMORY: Final = Path(":memory:")
_APPLICATION_ID: Final = 0x50424958  # "PBIX"
_PAGE: Final = 8192  # octets: a mail of 10 KB in few of them
_CACHE_KIB: Final = 64 * 1024
_CHECK_SECONDS: Final = 1.0  # for looking at the file
_CHECK_STEPS: Final = 10_000  # of SQLite's virtual machine between two looks at the time


def connect(path: Path) -> apsw.Connection:
    """Open a file, created if missing, or memory; bring its schema up to date.

    Raises:
        PermanentError: The file is damaged, not an inbox, or newer than this program.
    """
    try:
        if path != IN_MEMORY:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(
            str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=600
        )
    except (apsw.Error, OSError) as error:
        raise PermanentError(f"cannot open {path}: {error}") from error
    try:
        _prepare(connection, path)
        migrate(connection, path, migrations("pillarbox.inbox.sqlite"))
        _quick_check(connection, path)
    except apsw.Error as error:
        connection.close()
        raise PermanentError(f"cannot open {path}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: apsw.Connection, path: Path) -> None:
    if not int(connection.execute(SQL["count_tables"]).get):
        connection.pragma("page_size", _PAGE)
        connection.pragma("auto_vacuum", "incremental")
        connection.pragma("application_id", _APPLICATION_ID)
    elif connection.pragma("application_id") != _APPLICATION_ID:
        raise PermanentError(f"{path} is not the inbox of a sandbox")
    if path == IN_MEMORY:
        connection.pragma("journal_mode", "memory")
    else:
        connection.pragma("journal_mode", "wal")
        connection.pragma("journal_size_limit", 64 * 1024 * 1024)
        connection.wal_autocheckpoint(0)  # the thread does it between two commits
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("temp_store", "memory")


def _quick_check(connection: apsw.Connection, path: Path) -> None:
    """Check for damage, for a bounded time: reading a large file at each start is too slow."""
    deadline = time.monotonic() + _CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_STEPS)
    try:
        ((result,),) = connection.execute(SQL["quick_check"]).fetchall()
    except apsw.InterruptError:
        return
    finally:
        connection.set_progress_handler(None)
    if result != "ok":
        raise PermanentError(f"{path} is damaged: {result}. Restore a copy of it, or remove it")
