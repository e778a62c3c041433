"""A connection as a session sees it: octets to await, octets to send, TLS to start.

Reading pauses while nobody reads, so that memory is bounded whatever a client sends.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

__all__ = ["Pop3Channel"]

_MOST_WAITING: Final = 64 * 1024  # octets that nobody has read
_HANDSHAKE: Final = 30.0  # seconds


class Pop3Channel(asyncio.Protocol):
    """One connection; ``serve`` runs as its task, and ends with it."""

    def __init__(self, serve: Callable[[Pop3Channel], Coroutine[Any, Any, None]]) -> None:
        """Wait for the transport, then run ``serve``."""
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._waiting = bytearray()
        self._is_at_end = False
        self._came = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self.task: asyncio.Task[None] | None = None

    # --- what the event loop calls ---------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; TLS tells of its transport, too."""
        self._transport = cast("asyncio.Transport", transport)
        if self.task is None:
            # asyncio forgets this for sockets that were bound by others: 40 ms a reply.
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.task = self._loop.create_task(self._serve(self))

    def data_received(self, data: bytes) -> None:
        """Keep what came until it is read."""
        self._waiting += data
        self._came.set()
        if len(self._waiting) > _MOST_WAITING:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Let what was asked be answered."""
        self._is_at_end = True
        self._came.set()
        # TLS cannot be closed by halves.
        return self._transport.get_extra_info("ssl_object") is None

    def pause_writing(self) -> None:
        """Have ``send`` wait."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Let ``send`` go on."""
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits, to an end of input."""
        del exc
        self._is_at_end = True
        self._came.set()
        self._may_write.set()

    # --- what the session calls ------------------------------------------------------

    async def read(self) -> bytes:
        """Return what has come, and wait for it; nothing at all is the end."""
        while not self._waiting and not self._is_at_end:
            self._came.clear()
            await self._came.wait()
        octets = bytes(self._waiting)
        self._waiting.clear()
        if not self._transport.is_closing():
            self._transport.resume_reading()
        return octets

    async def send(self, octets: bytes) -> None:
        """Send, and wait until the client has taken the most of it."""
        if octets and not self._transport.is_closing():
            self._transport.write(octets)
            await self._may_write.wait()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Make the handshake; what came before it is thrown away.

        Raises:
            OSError: It failed.
        """
        self._waiting.clear()  # nothing can come in between: ``start_tls`` pauses at once
        transport = await self._loop.start_tls(
            self._transport, self, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE
        )
        if transport is not None:
            self._transport = transport

    def close(self) -> None:
        """Close once everything is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()
