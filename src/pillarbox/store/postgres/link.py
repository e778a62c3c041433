"""A database connection that reconnects by itself.

A link is used by one task at a time. When the connection is lost, the operation in progress raises
``StoreUnavailable`` (nobody knows whether a COMMIT was done), and the next use reconnects, waiting
a little longer after each failure, up to two seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.store.port import StoreFull, StoreUnavailable

__all__ = ["Connection", "Link"]

Connection = Any
"""An ``asyncpg.Connection``; its rows are of the schema's types."""

_CONNECT_TIMEOUT: Final = 5.0  # seconds
_COMMAND_TIMEOUT: Final = 60.0
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 2.0
_OLDEST_SERVER: Final = 15

_CANNOT_STORE: Final = (
    asyncpg.DataError,  # by the server or, before anything is sent, by the driver
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    UnicodeEncodeError,
    OverflowError,
)
_SETTINGS: Final = {
    "application_name": "pillarbox",
    "synchronous_commit": "on",  # whatever the server's default is
    "default_transaction_isolation": "read committed",
    "jit": "off",
}


class Link:
    """One connection, made when it is first used."""

    def __init__(self, url: str, *, is_first: bool = False) -> None:
        """Connect to a server.

        Args:
            url: A libpq connection string.
            is_first: Whether a wrong name, password or setting is told as a mistake for as long
                as it never worked. Later, or of another link, it is a database that is away:
                somebody is changing it, and mail must wait and not be refused for it.
        """
        self._url = url
        self._is_first = is_first
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._wait = 0.0
        self._not_before = 0.0  # on the loop's clock

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Connection]:
        """Acquire the connection exclusively.

        Raises:
            StoreFull: The database's disk is full.
            StoreUnavailable: The database cannot be reached, or the connection was lost.
            PermanentError: What was to be stored cannot be stored at all.
        """
        async with self._lock:
            with_connection = await self._connected()
            try:
                yield with_connection
            except _CANNOT_STORE as error:
                raise PermanentError(f"cannot be stored: {error}") from error
            except asyncpg.DiskFullError as error:
                raise StoreFull(str(error)) from error
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                self._drop()
                raise StoreUnavailable(
                    f"PostgreSQL: {str(error) or type(error).__name__}"
                ) from error
            except asyncio.CancelledError:
                self._drop()  # what was sent may still be running: start afresh
                raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Acquire the connection for a transaction."""
        async with self.use() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Close the connection."""
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and not connection.is_closed():
                try:
                    await connection.close(timeout=_CONNECT_TIMEOUT)
                except (asyncpg.PostgresError, OSError, TimeoutError):
                    connection.terminate()

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.is_closed():
            return connection
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            raise StoreUnavailable("PostgreSQL cannot be reached; trying again in a moment")
        try:
            self._connection = connection = await _connect(self._url)
        except PillarboxError as error:
            if self._is_first and isinstance(error, PermanentError):
                raise
            self._wait = min(max(2 * self._wait, _FIRST_WAIT), _LONGEST_WAIT)
            self._not_before = loop.time() + self._wait
            raise StoreUnavailable(str(error)) from error
        self._is_first, self._wait = False, 0.0
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _connect(url: str) -> Connection:
    try:
        connection = await asyncpg.connect(
            url,
            timeout=_CONNECT_TIMEOUT,
            command_timeout=_COMMAND_TIMEOUT,
            server_settings=_SETTINGS,
            target_session_attrs=SessionAttribute.read_write,  # never a standby, which may be behind
        )
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise PermanentError(f"{_server(url)}: {error}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise StoreUnavailable(f"{_server(url)}: {reason}") from error
    await _inspect(connection)
    return connection


async def _inspect(connection: Connection) -> None:
    try:
        version = connection.get_server_version().major
        durability = await connection.fetchval("SHOW synchronous_commit")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        connection.terminate()
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
    if version < _OLDEST_SERVER or durability != "on":
        connection.terminate()
        raise PermanentError(
            f"PostgreSQL {version} with synchronous_commit={durability}: "
            f"{_OLDEST_SERVER} or newer with synchronous_commit=on is needed"
        )


def _server(url: str) -> str:
    """Return which server and database a URL is about, without the password."""
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return f"PostgreSQL ({where or 'the local socket'}{parts.path})"
