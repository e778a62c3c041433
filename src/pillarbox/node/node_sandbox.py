"""The sandbox inside a full node: listeners of the kind ``sandbox`` catch into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pillarbox.config.endpoints import Endpoint
from pillarbox.config.settings import ListenerKind
from pillarbox.events.event import Event
from pillarbox.node.sandbox import SandboxParts
from pillarbox.node.sandbox_sockets import SandboxSockets, bind_sandbox, shown
from pillarbox.receive.catching import Catching
from pillarbox.receive.certificates import has_implicit_tls
from pillarbox.sandbox.service import Sandbox

if TYPE_CHECKING:
    from pillarbox.node.node import Node

__all__ = ["NodeSandbox"]

_DATABASE: Final = "sandbox.sqlite"


class NodeSandbox:
    """The sandbox of a node."""

    def __init__(self, node: Node, sockets: SandboxSockets | None) -> None:
        """Prepare it; ``sockets`` are bound at the start if there are none.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        settings = node.settings
        self._node = node
        self._sockets = sockets
        self._parts = SandboxParts(
            settings,
            hostname=node.hostname,
            database=settings.sandbox.database or settings.node.directory / _DATABASE,
            clock=node.clock,
            sink=self._log,
            on_defect=node.on_defect,
            ids=node.ids,
            resolver=node.resolver,
        )

    @property
    def sandbox(self) -> Sandbox:
        """What was caught."""
        return self._parts.sandbox

    async def open(self) -> Catching:
        """Open the inbox; return the other end of its listeners.

        Raises:
            PillarboxError: It cannot be opened.
        """
        if self._sockets is None:
            self._sockets = bind_sandbox(self._node.settings.sandbox, is_alone=False)
        await self._parts.open()
        return self._parts.catching

    async def serve(self, listening: Mapping[str, tuple[tuple[str, int], ...]]) -> None:
        """Show what is caught; ``listening`` has the addresses of all listeners."""
        plain: list[str] = []
        implicit: list[str] = []
        for name, each in self._node.settings.listener.items():
            if each.kind is ListenerKind.SANDBOX:
                found = [str(Endpoint(host, port)) for host, port in listening.get(name, ())]
                (implicit if has_implicit_tls(each) else plain).extend(found)
        if self._sockets is not None:
            await self._parts.serve(self._sockets, shown(plain), shown(implicit))

    async def close(self) -> None:
        """Show no more, and close the inbox. Safe to call twice."""
        await self._parts.close()
        if self._sockets is not None:
            self._sockets.close()

    def _log(self, event: Event) -> None:
        # Not into the history: what is caught is no mail of the queue.
        self._node.log(event)
