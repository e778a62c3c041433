"""SMTP on standard input and output (``sendmail -bs``), through the node's own listener code."""

from __future__ import annotations

import os
import selectors
import socket
import sys
from typing import Final

__all__ = ["relay_stdio"]

_CONNECT_SECONDS: Final = 30.0
_PIECE: Final = 64 * 1024


def relay_stdio(host: str, port: int) -> bool:
    """Pass octets between this process's standard streams and a server until it closes.

    Returns:
        Whether the server could be reached; if not, the client has been told 421.
    """
    try:
        server = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
    except OSError:
        sys.stdout.buffer.write(b"421 4.3.0 The mail server does not answer\r\n")
        sys.stdout.buffer.flush()
        return False
    server.settimeout(None)
    with server, selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        try:
            selector.register(0, selectors.EVENT_READ)
        except PermissionError:
            # epoll takes no regular file: `sendmail -bs < session`. All of it is there.
            server.sendall(sys.stdin.buffer.read())
            server.shutdown(socket.SHUT_WR)
        while _pass_on(selector, server):
            pass
    return True


def _pass_on(selector: selectors.BaseSelector, server: socket.socket) -> bool:
    """Pass on what has come in; return whether the server is still there."""
    for key, _ in selector.select():
        if key.fileobj is server:
            octets = server.recv(_PIECE)
            if not octets:
                return False
            sys.stdout.buffer.write(octets)
            sys.stdout.buffer.flush()
        elif octets := os.read(0, _PIECE):
            server.sendall(octets)
        else:
            selector.unregister(0)
            server.shutdown(socket.SHUT_WR)
    return True
