"""Backups of the file: made while a node runs, restored while none does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import apsw

from pillarbox.errors import PermanentError
from pillarbox.store.sqlite.connection import APPLICATION_ID, FileLock, connect_reader

__all__ = ["copy_database", "restore"]

_SIDE_FILES: Final = ("-wal", "-shm")


def copy_database(source: apsw.Connection, path: Path) -> None:
    """Write a consistent copy of an open database to a new file, durably.

    Raises:
        PermanentError: The file exists, or cannot be written.
    """
    if path.exists():
        raise PermanentError(f"{path} exists")
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        target = apsw.Connection(str(part))
        with target.backup("main", source, "main") as backup:
            backup.step(-1)  # in one go: what is written meanwhile does not get in
        target.pragma("journal_mode", "delete")
        target.close()
        _sync(part)
        part.rename(path)
        _sync(path.parent)
    except (apsw.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise PermanentError(f"cannot copy the store to {path}: {error}") from error


def restore(copy: Path, path: Path) -> None:
    """Put a copy in the place of a store that no process uses.

    What was there is kept as ``PATH.replaced``.

    Raises:
        PermanentError: A node runs, or the copy is damaged or no store.
    """
    lock = FileLock(path)
    try:
        part = path.with_name(f"{path.name}.part")
        source = connect_reader(copy)
        try:
            _check_copy(source, copy)
            part.unlink(missing_ok=True)
            copy_database(source, part)
        finally:
            source.close()
        if path.exists():
            for suffix in ("", *_SIDE_FILES):
                old = Path(f"{path}{suffix}")
                if old.exists():
                    old.replace(f"{path}.replaced{suffix}")
        part.rename(path)
        _sync(path.parent)
    except apsw.Error as error:
        raise PermanentError(f"{copy}: {error}") from error
    finally:
        lock.release()


def _check_copy(source: apsw.Connection, copy: Path) -> None:
    if source.pragma("application_id") != APPLICATION_ID:
        raise PermanentError(f"{copy} is not a pillarbox store")
    result = source.pragma("integrity_check")
    if result != "ok":
        raise PermanentError(f"{copy} is damaged: {result}")


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
