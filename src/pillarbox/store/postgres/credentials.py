"""Credentials in the database, which all its nodes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pillarbox.store.credential_rows import credential_row, read_credentials, secret_rows
from pillarbox.store.credentials import Changes, Credential, CredentialConflict, CredentialUse
from pillarbox.store.postgres.link import Link
from pillarbox.store.statements import statements

__all__ = ["PostgresCredentials"]

SQL: Final = statements("pillarbox.store.postgres", "credentials.sql")


class PostgresCredentials:
    """Keeps credentials in the database."""

    def __init__(self, link: Callable[[], Link]) -> None:
        """Use the link that is open now."""
        self._link = link

    async def changed_since(self, generation: int) -> Changes:
        """Return every credential that was saved after a generation."""
        async with self._link().transaction() as connection:
            newest: int = await connection.fetchval(SQL["credential_generation"])
            if newest <= generation:
                return Changes(newest, ())
            rows = await connection.fetch(SQL["changed_credentials"], generation)
            secrets = await connection.fetch(SQL["changed_secrets"], generation)
        credentials = read_credentials(rows, secrets)
        # Another node may have saved more between the statements; that is in here as well.
        return Changes(max(newest, *(each.generation for each in credentials)), credentials)

    async def save(self, credential: Credential) -> int:
        """Save a credential, if it is still as the caller has seen it."""
        async with self._link().transaction() as connection:
            # The row of the generation is locked to the end: saves become visible in order.
            generation: int = await connection.fetchval(SQL["next_generation"])
            kept = await connection.fetchval(SQL["kept_generation"], credential.name)
            if (kept or 0) != credential.generation:
                raise CredentialConflict(f"{credential.name} was changed by somebody else")
            await connection.execute(
                SQL["save_credential"], *credential_row(credential), generation
            )
            await connection.execute(SQL["forget_secrets"], credential.name)
            await connection.executemany(SQL["save_secret"], secret_rows(credential))
        return generation

    async def note_uses(self, uses: Sequence[CredentialUse]) -> None:
        """Note last uses, all in one transaction."""
        # In one order, so that two nodes never wait for each other.
        rows = sorted((use.name, use.at, use.client) for use in uses)
        async with self._link().transaction() as connection:
            await connection.executemany(SQL["note_use"], rows)

    async def uses(self) -> tuple[CredentialUse, ...]:
        """Return the last use of each credential that was ever used."""
        async with self._link().use() as connection:
            return tuple(CredentialUse(*row) for row in await connection.fetch(SQL["uses"]))
