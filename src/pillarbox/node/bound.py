"""The sockets of a node, bound before it drops the privileges that low ports need."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from pillarbox.config.settings import Settings
from pillarbox.node.certificates import bind_pages
from pillarbox.node.policy_pages import bind_https
from pillarbox.node.sandbox_sockets import SandboxSockets, bind_sandbox, catches
from pillarbox.receive.binding import Sockets, bind_listeners

__all__ = ["Bound", "bind_node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Sockets on which nothing is accepted yet."""

    listeners: Sockets
    pages: tuple[socket.socket, ...] = ()  # for an authority that looks for a page
    https: tuple[socket.socket, ...] = ()  # for who reads our MTA-STS policies
    sandbox: SandboxSockets | None = None  # for who looks at caught mail


def bind_node(settings: Settings) -> Bound:
    """Bind everything that a node listens on.

    Raises:
        PermanentError: Something cannot be bound.
    """
    return Bound(
        listeners=bind_listeners(settings.listener),
        pages=bind_pages(settings),
        https=bind_https(settings),
        sandbox=bind_sandbox(settings.sandbox, is_alone=False) if catches(settings) else None,
    )
