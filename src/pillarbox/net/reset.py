"""Resets a connection, as a crashing machine would."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

__all__ = ["reset"]

_ON_FOR_NO_TIME: Final = struct.pack("ii", 1, 0)  # struct linger


def reset(transport: asyncio.Transport) -> None:
    """Close a connection with a TCP RST instead of a FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ON_FOR_NO_TIME)
    transport.abort()
