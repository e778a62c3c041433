"""Migrates a file's schema, with a way back.

``PRAGMA user_version`` is the number of the last migration. Before the schema of a file that
contains mail is changed, a copy is made beside it: ``PATH.schema-N``, N being its version.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from pillarbox.errors import PermanentError
from pillarbox.store.sqlite.backup import copy_database

__all__ = ["migrate"]


def migrate(connection: apsw.Connection, path: Path, migrations: Sequence[tuple[int, str]]) -> None:
    """Apply the migrations that a file does not have yet, each in a transaction.

    Raises:
        PermanentError: The file was written by a newer program.
    """
    version = connection.pragma("user_version")
    newest = migrations[-1][0]
    if version > newest:
        raise PermanentError(
            f"{path} has schema {version}, and this program knows {newest}: it was used by a "
            f"newer one. Run that, or restore the copy made before its migration"
        )
    if 0 < version < newest:
        copy_database(connection, Path(f"{path}.schema-{version}"))
    for number, sql in migrations:
        if number > version:
            with connection:
                connection.execute(sql)
                connection.pragma("user_version", number)
