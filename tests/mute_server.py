"""A server in a thread that greets, if at all, and never says another word."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

__all__ = ["mute_server"]


@contextlib.contextmanager
def mute_server(greeting: bytes = b"") -> Iterator[int]:
    """Listen on loopback, and hold each connection open; the port is given."""
    held: list[socket.socket] = []

    def hold() -> None:
        with contextlib.suppress(OSError):  # the end of it
            while True:
                connection, _ = listening.accept()
                connection.sendall(greeting)
                held.append(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        holder = threading.Thread(target=hold)
        holder.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # wakes up who waits for connections
            holder.join(30)
            for connection in held:
                connection.close()
