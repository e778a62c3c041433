"""The server under the application: bound sockets, the running loop, no signals.

uvicorn's own server runs its own loop and takes over signals, but a node already has both; so only
its protocol is used.
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

_LARGEST_FRAME: Final = 4 * 1024  # octets; clients send little on a WebSocket
_BACKLOG: Final = 512


class WebServer:
    """Serves on bound sockets until it is stopped."""

    def __init__(
        self,
        application: FastAPI,
        sockets: Sequence[socket],
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        """Serve ``application``; with ``tls``, which is called once at the start, over HTTPS."""
        self._application = application
        self._sockets = tuple(sockets)
        self._tls = tls
        self._limits = limits or ConnectionLimits()
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Start to accept connections."""
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
        """Stop accepting, end live streams, and let requests finish. Safe to call twice.

        Args:
            patience: Seconds after which unfinished requests are cut off.
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
