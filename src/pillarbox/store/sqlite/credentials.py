"""Credentials in the file; written in the writer's thread, read in the reader's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from pillarbox.store.credential_rows import credential_row, read_credentials, secret_rows
from pillarbox.store.credentials import Changes, Credential, CredentialConflict, CredentialUse
from pillarbox.store.statements import statements

__all__ = ["Execute", "SqliteCredentials", "Threads"]

SQL: Final = statements("pillarbox.store.sqlite", "credentials.sql")

_T = TypeVar("_T")

Execute = Callable[..., Any]
"""Executes a statement on a connection; its rows are of the schema's types."""


class Threads(Protocol):
    """The open file, as this module needs it."""

    async def read(self, function: Callable[[Execute], _T]) -> _T:
        """Call a function with a snapshot of the file, in the reader's thread."""
        ...

    async def write(self, function: Callable[[Execute], _T]) -> _T:
        """Call a function in a transaction, in the writer's thread."""
        ...


class SqliteCredentials:
    """Keeps credentials in the file."""

    def __init__(self, threads: Threads) -> None:
        """Use the file by its threads."""
        self._threads = threads

    async def changed_since(self, generation: int) -> Changes:
        """Return every credential that was saved after a generation."""

        def read(execute: Execute) -> Changes:
            newest: int = execute(SQL["credential_generation"]).fetchone()[0]
            if newest <= generation:
                return Changes(newest, ())
            rows = execute(SQL["changed_credentials"], (generation,)).fetchall()
            secrets = execute(SQL["changed_secrets"], (generation,)).fetchall()
            return Changes(newest, read_credentials(rows, secrets))

        return await self._threads.read(read)

    async def save(self, credential: Credential) -> int:
        """Save a credential, if it is still as the caller has seen it."""

        def write(execute: Execute) -> int:
            row = execute(SQL["kept_generation"], (credential.name,)).fetchone()
            if (row[0] if row else 0) != credential.generation:
                raise CredentialConflict(f"{credential.name} was changed by somebody else")
            generation: int = execute(SQL["next_generation"]).fetchone()[0]
            execute(SQL["save_credential"], (*credential_row(credential), generation))
            execute(SQL["forget_secrets"], (credential.name,))
            for secret in secret_rows(credential):
                execute(SQL["save_secret"], secret)
            return generation

        return await self._threads.write(write)

    async def note_uses(self, uses: Sequence[CredentialUse]) -> None:
        """Note last uses, all in one transaction."""

        def write(execute: Execute) -> None:
            for use in uses:
                execute(SQL["note_use"], (use.name, use.at, use.client))

        await self._threads.write(write)

    async def uses(self) -> tuple[CredentialUse, ...]:
        """Return the last use of each credential that was ever used."""
        return await self._threads.read(
            lambda execute: tuple(CredentialUse(*row) for row in execute(SQL["uses"]).fetchall())
        )
