"""The server under the application: bound sockets, the running loop, no signals.

uvicorn's own server waits in a loop of its own and takes over signals; a node has both already.
What is used of it is its protocol.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from socket import socket
from typing import Final

from fastapi import FastAPI
from uvicorn.config import Config
from uvicorn.server import ServerState

from pillarbox.web.connection import Connection
from pillarbox.web.settings import ConnectionLimits

__all__ = ["WebServer"]

_LARGEST_FRAME: Final = 4 * 1024  # octets; clients have little to say on a WebSocket
_BACKLOG: Final = 512


class WebServer:
    """Answers on bound sockets until it is stopped."""

    def __init__(
        self,
        application: FastAPI,
        sockets: Sequence[socket],
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        """Answer from ``application``; with ``tls`` over HTTPS, asked once when it starts."""
        self._application = application
        self._sockets = tuple(sockets)
        self._tls = tls
        self._limits = limits or ConnectionLimits()
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Accept from now on."""
        config = Config(
            self._application,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=self._limits.idle,
            ws="websockets-sansio",
            ws_max_size=_LARGEST_FRAME,
            ws_per_message_deflate=False,
        )
        config.load()
        make = partial(Connection, self._limits, config, self._state, {})
        context = self._tls() if self._tls is not None else None
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            server = await loop.create_server(make, sock=sock, ssl=context, backlog=_BACKLOG)
            self._servers.append(server)

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Return the hosts and ports that it listens on."""
        return tuple(sock.getsockname()[:2] for sock in self._sockets)

    async def stop(self, *, patience: float = 3.0) -> None:
        """Accept no more, end live streams, and let requests end. Safe to call twice.

        Args:
            patience: Seconds after which a request that goes on is cut off.
        """
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        self._application.state.stopping.set()
        for connection in tuple(self._state.connections):
            connection.shutdown()
        tasks = set(self._state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in tuple(self._state.connections):
            connection.transport.abort()
