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
    """Sockets that do not accept connections yet."""

    listeners: Sockets
    pages: tuple[socket.socket, ...] = ()  # for http-01 challenges
    https: tuple[socket.socket, ...] = ()  # for our MTA-STS policies
    sandbox: SandboxSockets | None = None  # for the pages with caught mail


def bind_node(settings: Settings) -> Bound:
    """Bind all sockets that a node listens on.

    Raises:
        PermanentError: Something cannot be bound.
    """
    return Bound(
        listeners=bind_listeners(settings.listener),
        pages=bind_pages(settings),
        https=bind_https(settings),
        sandbox=bind_sandbox(settings.sandbox, is_alone=False) if catches(settings) else None,
    )
