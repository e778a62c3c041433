"""Loads the ``.sql`` files beside the adapters.

A statement begins with ``-- name: NAME``, continues with a sentence that says what it does, and
ends at the next name or the end of the file. Migrations are whole files named ``0001_what.sql``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

__all__ = ["migrations", "multi_row", "statements"]

_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_ROW: Final = re.compile(r"VALUES (\(\?(?:, \?)*\))")
_MIGRATION: Final = re.compile(r"(\d{4})_\w+\.sql")


def statements(package: str, name: str) -> Mapping[str, str]:
    """Return the statements of a file by their names."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return MappingProxyType(
        {
            title: body.strip().rstrip(";")
            for title, body in zip(parts[::2], parts[1::2], strict=True)
        }
    )


@cache
def multi_row(statement: str, rows: int) -> str:
    """Return a statement with its row of placeholders, ``VALUES (?, ...)``, repeated."""
    return _ROW.sub(lambda found: "VALUES " + ", ".join([found[1]] * rows), statement)


def migrations(package: str) -> tuple[tuple[int, str], ...]:
    """Return a package's migrations as (number, SQL), in order."""
    found = (
        (int(match[1]), path.read_text(encoding="utf-8"))
        for path in files(package).joinpath("migrations").iterdir()
        if (match := _MIGRATION.fullmatch(path.name))
    )
    return tuple(sorted(found))
