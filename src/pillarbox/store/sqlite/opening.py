"""Opens a file: migrates it, checks it after an unclean stop, and begins an epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import apsw

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.store.port import MessageId, StoreFull
from pillarbox.store.sqlite.connection import connect_reader, connect_writer
from pillarbox.store.sqlite.failures import FailureGuard
from pillarbox.store.sqlite.migration import migrate
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.writer import SQL, Writer
from pillarbox.store.statements import migrations

__all__ = ["Opened", "open_file", "with_reader"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_CHECK_SECONDS: Final = 1.0  # for looking at the file after an unclean stop
_CHECK_STEPS: Final = 10_000  # of SQLite's virtual machine between two looks at the time
_RESTORE: Final = "`pillarbox restore --hold COPY` puts a backup in its place"
_EVERY_ID: Final = MessageId(2**63 - 1)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file."""

    writer: Writer
    reader: Reader
    suspects: tuple[tuple[MessageId, int], ...]  # what was in flight at an unclean stop


def open_file(path: Path, node: str, now: Callable[[], float], synchronous: str) -> Opened:
    """Open the file as ``node``; runs in the writer's thread, under the file's lock.

    Raises:
        PermanentError: The file is damaged, not a store, or newer than this program.
        StoreFull: There is no room to open it.
    """
    try:
        connection = connect_writer(path, synchronous=synchronous)
    except (apsw.Error, OSError) as error:
        raise _cannot_open(path, error) from error
    try:
        execute: Callable[..., Any] = connection.execute
        migrate(connection, path, migrations("pillarbox.store.sqlite"))
        (unclean,) = execute(SQL["unclean_nodes"]).fetchone()
        if unclean:
            _quick_check(connection, path)
        with connection:
            connection.execute(SQL["others_are_clean"], (node,))
            (epoch,) = execute(SQL["begin_epoch"], (node,)).fetchone()
        writer = Writer(connection, node, epoch, now)
        writer.discard_orphans(_EVERY_ID)
        suspects = writer.recover()
        reader = Reader(connect_reader(path))
    except apsw.Error as error:
        connection.close()
        raise _cannot_open(path, error) from error
    except BaseException:
        connection.close()
        raise
    return Opened(writer, reader, tuple(suspects) if unclean else ())


def _cannot_open(path: Path, error: Exception) -> PillarboxError:
    if isinstance(error, apsw.FullError):
        return StoreFull(f"cannot open {path}: its disk is full; free some room on it")
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return PermanentError(f"cannot open {path}: {error}. {_RESTORE}")
    return PermanentError(f"cannot open {path}: {error}")


def with_reader(
    path: Path,
    function: Callable[Concatenate[apsw.Connection, _P], _T],
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _T:
    """Call a function with a connection that reads, opened for it and closed behind it."""
    connection = connect_reader(path)
    try:
        with FailureGuard().watch(connection):
            return function(connection, *args, **kwargs)
    finally:
        connection.close()


def _quick_check(connection: apsw.Connection, path: Path) -> None:
    """Look for damage, for a bounded time: a large file cannot be read whole at each start."""
    deadline = time.monotonic() + _CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_STEPS)
    try:
        ((result,),) = connection.execute(SQL["quick_check"]).fetchall()
    except apsw.InterruptError:
        return
    finally:
        connection.set_progress_handler(None)
    if result != "ok":
        raise PermanentError(f"{path} is damaged: {result}. {_RESTORE}")
