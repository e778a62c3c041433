"""Migrates the database's schema, one node at a time."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.errors import PermanentError
from pillarbox.store.postgres.link import Connection
from pillarbox.store.postgres.queries import SQL

__all__ = ["migrate"]


async def migrate(connection: Connection, migrations: Sequence[tuple[int, str]]) -> None:
    """Apply the migrations that the database does not have yet, each in a transaction.

    Raises:
        PermanentError: A newer program has used the database.
    """
    await connection.execute(SQL["lock_migrations"])
    try:
        await connection.execute(SQL["create_migrations"])
        version = await connection.fetchval(SQL["schema_version"])
        newest = migrations[-1][0]
        if version > newest:
            raise PermanentError(
                f"the database has schema {version}, and this program knows {newest}: "
                f"it was used by a newer one"
            )
        for number, sql in migrations:
            if number > version:
                async with connection.transaction():
                    await connection.execute(sql)
                    await connection.execute(SQL["note_migration"], number)
    finally:
        await connection.execute(SQL["unlock_migrations"])
