"""Reads files that contain secrets, and refuses those that others could read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from pillarbox.errors import PermanentError

__all__ = ["check_private", "read_private"]

# The group may read (Debian keeps keys for the group ssl-cert), but not write.
_LOOSE: Final = stat.S_IWGRP | stat.S_IRWXO


def check_private(path: Path) -> None:
    """Refuse a file that others could read or change.

    Raises:
        PermanentError: Its mode is too loose, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}") from error
    _check_mode(path, mode)


def read_private(path: Path) -> bytes:
    """Return what a file holds, which others can neither read nor change.

    Raises:
        PermanentError: Its mode is too loose, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            _check_mode(path, os.fstat(file.fileno()).st_mode)
            return file.read()
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}") from error


def _check_mode(path: Path, mode: int) -> None:
    if mode & _LOOSE:
        raise PermanentError(
            f"{path} has mode {stat.S_IMODE(mode):04o}; others must not reach it: chmod 600 {path}"
        )
