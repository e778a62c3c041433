"""Opens a connection to one address, and explains failures in words.

Failures are ``DialError``s: all of them may go away with time, and each kind has a type of its own,
so that a route can tell a machine that is down from a process that is out of file descriptors.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Final, Protocol

from pillarbox.errors import TemporaryError

__all__ = [
    "DialError",
    "Dialer",
    "OutOfDescriptors",
    "PeerRefused",
    "PeerReset",
    "PeerTimedOut",
    "PeerUnreachable",
    "SocketDialer",
    "SourceUnavailable",
]


class DialError(TemporaryError):
    """No connection could be opened."""


class PeerRefused(DialError):  # noqa: N818 - the kind of the failure is its name
    """Nobody listens at the address."""


class PeerReset(DialError):  # noqa: N818
    """The peer dropped the connection while it was being opened."""


class PeerTimedOut(DialError):  # noqa: N818
    """No answer came in time."""


class PeerUnreachable(DialError):  # noqa: N818
    """There is no route to the address."""


class SourceUnavailable(DialError):  # noqa: N818
    """The source address is not on this machine, or has no free port."""


class OutOfDescriptors(DialError):  # noqa: N818
    """This process, or this machine, cannot open another socket."""


_KINDS: Final[dict[int, tuple[type[DialError], str]]] = {
    errno.ECONNREFUSED: (PeerRefused, "connection refused"),
    errno.ENOENT: (PeerRefused, "no such socket"),
    errno.ECONNRESET: (PeerReset, "connection reset"),
    errno.EPIPE: (PeerReset, "connection reset"),
    errno.ECONNABORTED: (PeerReset, "connection reset"),
    errno.ETIMEDOUT: (PeerTimedOut, "connection timed out"),
    errno.EHOSTUNREACH: (PeerUnreachable, "no route to host"),
    errno.ENETUNREACH: (PeerUnreachable, "network is unreachable"),
    errno.EHOSTDOWN: (PeerUnreachable, "host is down"),
    errno.ENETDOWN: (PeerUnreachable, "network is down"),
    errno.EACCES: (PeerUnreachable, "not permitted to connect"),
    errno.EPERM: (PeerUnreachable, "not permitted to connect"),
    errno.EAFNOSUPPORT: (PeerUnreachable, "this machine does not speak the address's protocol"),
    errno.EADDRNOTAVAIL: (SourceUnavailable, "source address is not available"),
    errno.EADDRINUSE: (SourceUnavailable, "source address has no free port"),
    errno.EMFILE: (OutOfDescriptors, "this process has no more file descriptors"),
    errno.ENFILE: (OutOfDescriptors, "this machine has no more file descriptors"),
    errno.ENOBUFS: (OutOfDescriptors, "this machine has no more buffers"),
    errno.ENOMEM: (OutOfDescriptors, "this machine has no more memory"),
}


def dial_error(error: OSError, target: str) -> DialError:
    """Return the error to raise for an operating system error about ``target``."""
    kind, words = _KINDS.get(error.errno or 0, (DialError, ""))
    if not words:
        words = os.strerror(error.errno) if error.errno else (str(error) or "connection failed")
    return kind(f"{target}: {words}")


class Dialer(Protocol):
    """Opens connections; tests and the lab provide scripted peers."""

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        address: str,
        port: int,
        *,
        source: str = "",
        timeout: float,  # noqa: ASYNC109 - a port's argument; adapters use asyncio.timeout
    ) -> asyncio.Transport:
        """Open a connection and attach the protocol that ``factory`` makes.

        Args:
            factory: Creates the protocol.
            address: An IP address, or the path of a Unix socket (``port`` is then ignored).
            port: TCP port.
            source: Address to connect from; "" lets the system choose.
            timeout: Seconds to wait.

        Raises:
            DialError: No connection could be opened.
        """
        ...


class SocketDialer:
    """Connections of the running event loop: TCP, or a Unix socket for a path."""

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        address: str,
        port: int,
        *,
        source: str = "",
        timeout: float,  # noqa: ASYNC109 - it is asyncio.timeout within
    ) -> asyncio.Transport:
        """Open a connection and attach the protocol that ``factory`` makes."""
        loop = asyncio.get_running_loop()
        target = address if address.startswith("/") else f"{address} port {port}"
        try:
            async with asyncio.timeout(timeout):
                if address.startswith("/"):
                    transport, _ = await loop.create_unix_connection(factory, address)
                else:
                    transport, _ = await loop.create_connection(
                        factory, address, port, local_addr=(source, 0) if source else None
                    )
        except TimeoutError as error:
            # The kernel's ETIMEDOUT is a TimeoutError as well.
            raise PeerTimedOut(f"{target}: connection timed out") from error
        except OSError as error:
            raise dial_error(error, target) from error
        except ValueError as error:  # an invalid address
            raise DialError(f"{target}: {error}") from error
        return transport
