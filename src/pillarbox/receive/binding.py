"""Binds the listeners' sockets, which may need privileges that the node then drops."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pillarbox.config.endpoints import Endpoint, parse_endpoint
from pillarbox.config.settings import ListenerSettings
from pillarbox.errors import PermanentError

__all__ = ["Sockets", "bind", "bind_listeners", "close_all", "show_address"]

Sockets = dict[str, tuple[socket.socket, ...]]
"""The bound sockets of each listener by its name, in the order of its ``bind`` setting."""


_HINTS: Final = {
    errno.EADDRINUSE: "; `ss -ltnp 'sport = :{port}'` names the process that has it",
    errno.EACCES: "; ports below 1024 are for root or CAP_NET_BIND_SERVICE, so that a node which "
    "has become another user cannot bind them at a reload, but at its next start",
    errno.EADDRNOTAVAIL: "; no interface of this machine has it (`ip address` lists them)",
}


def bind_listeners(
    listeners: Mapping[str, ListenerSettings], kept: dict[str, socket.socket] | None = None
) -> Sockets:
    """Bind all sockets of the listeners; nothing is accepted on them yet.

    Args:
        listeners: Their settings.
        kept: Sockets that are bound already, by their address as it is configured; one that is
            wanted is taken out and duplicated, so that an address can change its listener.

    Raises:
        PermanentError: One of them cannot be bound; then none stays bound.
    """
    bound: Sockets = {}
    try:
        for name, settings in listeners.items():
            bound[name] = bind(settings.bind, kept)
    except PermanentError:
        close_all(sock for sockets in bound.values() for sock in sockets)
        raise
    return bound


def bind(
    addresses: Sequence[str], kept: dict[str, socket.socket] | None = None
) -> tuple[socket.socket, ...]:
    """Bind a socket to each address, such as ``0.0.0.0:25``.

    Args:
        addresses: As they are configured.
        kept: Sockets that are bound already, by address; taken out and duplicated.

    Raises:
        PermanentError: One of them cannot be bound; then none stays bound.
    """
    bound: list[socket.socket] = []
    try:
        for text in addresses:
            own = None if kept is None else kept.pop(text, None)
            bound.append(_bind(text) if own is None else own.dup())
    except PermanentError:
        close_all(bound)
        raise
    return tuple(bound)


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close sockets."""
    for sock in sockets:
        sock.close()


def show_address(sock: socket.socket) -> str:
    """Return the address that a socket is bound to, as it is written in the configuration."""
    host, port = sock.getsockname()[:2]
    return str(Endpoint(host, port))


def _bind(text: str) -> socket.socket:
    endpoint = parse_endpoint(text)
    if endpoint is None or endpoint.port is None:
        raise PermanentError(f"{text!r} is not an address with a port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PermanentError(f"cannot bind {text}: {error.strerror or error}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # so that 0.0.0.0 and [::] can stand beside each other
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)  # noqa: FBT003 - so it is called
        sock.bind(address)
    except OSError as error:
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = _HINTS.get(error.errno or 0, "").format(port=endpoint.port)
        raise PermanentError(f"cannot bind {text}: {reason}{hint}") from error
    return sock
