"""One client connection: uvicorn's, with the timeouts and limits it lacks.

* The head of a request must arrive in time, and is bounded. Body framing is bounded likewise: chunk
  sizes, chunk extensions, and trailer fields (which are ignored, and never become fields of the
  request, RFC 9110 §6.5.1).
* An unread body is discarded for a moment, so that the client can read the response; then the
  connection is closed.
* A client that does not read its response is disconnected.
* A target must be a path: proxies have interpreted other forms differently (RFC 9112 §3.2).
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from pillarbox.web.settings import ConnectionLimits

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

__all__ = ["Connection"]

_INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})
_LOGGER: Final = logging.getLogger("pillarbox.web")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False  # client errors are answered and counted, not logged


class Connection(HttpToolsProtocol):
    """Speaks HTTP/1.1 with one client."""

    def __init__(
        self,
        limits: ConnectionLimits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Accept requests within ``limits``."""
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _LOGGER
        self._limits = limits
        self._head_octets = 0  # since the last octet of a body
        self._is_head = True  # a request's head is not complete yet
        self._is_lingering = False
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start, unless there are too many connections."""
        super().connection_made(transport)
        _send_at_once(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(503, "There are too many connections; try again later.")
            return
        self._arm(self._limits.head_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive octets of a request."""
        if self._is_lingering:
            self._throw_away(data)
            return
        if self.transport.is_closing():
            return
        self._head_octets += len(data)
        if self._is_head and self._deadline is None:
            self._arm(self._limits.head_patience)
        super().data_received(data)
        if self._head_octets > self._limits.head and not self._is_lingering:
            self._refuse(431, f"A request's fields may have {self._limits.head} octets.")

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header field; trailer fields are dropped."""
        if self._is_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        self._head_octets = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Pass the request to the application."""
        self._is_head = False
        self._head_octets = 0
        if not self.url.startswith(b"/"):
            raise ValueError("the target is not a path")  # httptools makes it a 400
        self._disarm()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Become a WebSocket, unless the request cannot be one."""
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if not isinstance(protocol, WebSocketsSansIOProtocol) or self.transport.is_closing():
            return
        # With a body or too many fields, the WebSocket protocol would stop reading and never end.
        if protocol.conn.handshake_exc is not None:
            self.connections.discard(protocol)
            self.connections.add(self)
            self.transport.set_protocol(self)
            self._refuse(400, "This is not a WebSocket request.")

    def on_response_complete(self) -> None:
        """Wait for the next request, or discard the rest of this one."""
        if self.cycle.more_body and not self.transport.is_closing():
            self._linger()
            return
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note that the client is not reading for now."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self._limits.stalled, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the client is reading again."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Respond to input that is not HTTP."""
        self._refuse(400, msg)

    def _refuse(self, status: int, detail: str) -> None:
        """Respond without the application and close; a response already begun is cut off."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        problem = {"status": status, "detail": detail, "code": "bad_request"}
        body = json.dumps(problem).encode()
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/problem+json\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        self._linger()

    def _linger(self) -> None:
        """Close the sending side, and discard further input."""
        self._is_lingering = True
        self._head_octets = 0
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._arm(self._limits.linger)

    def _throw_away(self, data: bytes) -> None:
        """Discard what was sent before the response could be read, and no more."""
        self._head_octets += len(data)
        if self._head_octets > self._limits.lingering:
            self.transport.pause_reading()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _send_at_once(transport: asyncio.Transport) -> None:
    """Send the body right after the head, and not 40 ms later.

    asyncio sets TCP_NODELAY only on sockets that were created with an explicit protocol number.
    """
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in _INTERNET:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
