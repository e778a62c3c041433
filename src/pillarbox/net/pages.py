"""Serves a few fixed pages over HTTP, for a certificate authority or another mail server.

Not a web server: no files, no request bodies, one response per connection. The protocol is h11's,
the limits are ours: a client has ten seconds and one request of 8 KiB.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from socket import socket
from typing import Final, cast

import h11

__all__ = ["Page", "PageServer", "Pages"]

_MOST_CONNECTIONS: Final = 200
_MOST_REQUEST: Final = 8 * 1024  # octets
_PATIENCE: Final = 10.0  # seconds for the whole request


@dataclass(frozen=True, slots=True)
class Page:
    """One page."""

    content: bytes
    content_type: str = "text/plain; charset=utf-8"


Pages = Callable[[str, str], Page | None]
"""Finds the page for a host (lower case, no port) and a path."""


class PageServer:
    """Serves on bound sockets until it is stopped."""

    def __init__(
        self,
        sockets: Sequence[socket],
        pages: Pages,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        """Serve ``pages``; with ``tls``, which is called once at the start, over HTTPS."""
        self._sockets = tuple(sockets)
        self._pages = pages
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._open: set[_Visit] = set()

    async def start(self) -> None:
        """Start to accept connections."""
        loop = asyncio.get_running_loop()
        context = self._tls() if self._tls is not None else None
        for sock in self._sockets:
            server = await loop.create_server(
                self._visit,
                sock=sock,
                ssl=context,
                ssl_handshake_timeout=None if context is None else _PATIENCE,
            )
            self._servers.append(server)

    async def stop(self) -> None:
        """Close everything at once."""
        for server in self._servers:
            server.close()
        for visit in tuple(self._open):
            visit.close()
        self._servers.clear()

    def _visit(self) -> _Visit:
        return _Visit(self._pages, self._open)


class _Visit(asyncio.Protocol):
    """One connection."""

    def __init__(self, pages: Pages, visits: set[_Visit]) -> None:
        self._pages = pages
        self._visits = visits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_REQUEST)
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(_PATIENCE, self.close)
        self._visits.add(self)
        if len(self._visits) > _MOST_CONNECTIONS:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._deadline.cancel()
        self._visits.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._http.our_state is not h11.IDLE:
            return  # the response is complete; further input is not read
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._answer(event)
        except h11.RemoteProtocolError as error:
            self._send(error.error_status_hint, Page(b"The request is malformed.\n"))

    def close(self) -> None:
        """End at once."""
        self._transport.abort()

    def _answer(self, request: h11.Request) -> None:
        if request.method not in {b"GET", b"HEAD"}:
            self._send(405, Page(b"Only GET.\n"), allow="GET, HEAD")
            return
        host = dict(request.headers).get(b"host", b"").decode("latin-1").lower()
        is_head = request.method == b"HEAD"
        path = request.target.partition(b"?")[0].decode("latin-1")
        name, colon, port = host.rpartition(":")
        page = self._pages(name if colon and port.isdigit() else host, path)
        if page is None:
            self._send(404, Page(b"There is nothing here.\n"), is_head=is_head)
        else:
            self._send(200, page, is_head=is_head)

    def _send(self, status: int, page: Page, *, allow: str = "", is_head: bool = False) -> None:
        headers = [
            ("content-type", page.content_type),
            ("content-length", str(len(page.content))),
            ("connection", "close"),
            *([("allow", allow)] if allow else []),
        ]
        if self._http.our_state is not h11.IDLE and self._http.our_state is not h11.SEND_RESPONSE:
            self.close()
            return
        octets = self._http.send(h11.Response(status_code=status, headers=headers)) or b""
        if not is_head:
            octets += self._http.send(h11.Data(data=page.content)) or b""
        self._transport.write(octets)
        self._transport.close()
