"""The sandbox inside a full node: listeners of kind ``sandbox`` catch into it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Final

from pillarbox.clock import Clock
from pillarbox.config.endpoints import Endpoint
from pillarbox.config.settings import ListenerKind, SandboxSettings, Settings
from pillarbox.events.event import Sink
from pillarbox.mailauth.resolver import Resolver
from pillarbox.node.sandbox import OnDefect, SandboxParts
from pillarbox.node.sandbox_reloading import SandboxChange, prepare_change, use_change
from pillarbox.node.sandbox_sockets import SandboxSockets, bind_sandbox, shown
from pillarbox.receive.catching import Catching
from pillarbox.receive.certificates import certificate_files, has_implicit_tls, has_tls
from pillarbox.receive.tls import ServerTls
from pillarbox.sandbox.service import Sandbox
from pillarbox.store.ids import IdMaker

__all__ = ["NodeSandbox"]

_DATABASE: Final = "sandbox.sqlite"


class NodeSandbox:
    """The sandbox of a node."""

    def __init__(
        self,
        settings: Settings,
        *,
        hostname: str,
        clock: Clock,
        sink: Sink,
        on_defect: OnDefect,
        ids: IdMaker,
        resolver: Resolver,
        sockets: SandboxSockets | None,
    ) -> None:
        """Prepare it.

        Args:
            settings: The configuration of the node.
            hostname: The node's name.
            clock: The time.
            sink: Receives events from the listeners.
            on_defect: Called with unexpected errors.
            ids: Creates ids for all mail of the node.
            resolver: Queries DNS.
            sockets: For pages and POP3, bound; None: they are bound at the start.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        self._settings = settings
        self._hostname = hostname
        self._clock = clock
        self._sockets = sockets
        self._parts = SandboxParts(
            settings,
            hostname=hostname,
            database=settings.sandbox.database or settings.node.directory / _DATABASE,
            clock=clock,
            sink=sink,
            on_defect=on_defect,
            ids=ids,
            resolver=resolver,
        )

    @property
    def sandbox(self) -> Sandbox:
        """The caught mail."""
        return self._parts.sandbox

    async def open(self) -> Catching:
        """Open the inbox; return the service behind its listeners.

        Raises:
            PillarboxError: It cannot be opened.
        """
        if self._sockets is None:
            self._sockets = bind_sandbox(self._settings.sandbox, is_alone=False)
        await self._parts.open()
        return self._parts.catching

    async def serve(self, listening: Mapping[str, tuple[tuple[str, int], ...]]) -> None:
        """Serve the pages; ``listening`` has the addresses of all listeners."""
        plain: list[str] = []
        implicit: list[str] = []
        starttls = False
        for name, each in self._settings.listener.items():
            if each.kind is ListenerKind.SANDBOX:
                found = [str(Endpoint(host, port)) for host, port in listening.get(name, ())]
                (implicit if has_implicit_tls(each) else plain).extend(found)
                starttls |= has_tls(each) and not has_implicit_tls(each)
        if self._sockets is not None:
            await self._parts.serve(
                self._sockets, shown(plain), shown(implicit), starttls=starttls, tls=self._tls()
            )

    def prepare(self, settings: Settings) -> SandboxChange:
        """Prepare a configuration; nothing changes yet.

        Raises:
            PermanentError: Something in it cannot be used.
        """
        return prepare_change(self._parts, settings)

    def offer(self, own: SandboxSettings) -> SandboxSettings:
        """Set what listeners offer from their next reload on; return the previous settings."""
        before, self._parts.offered = self._parts.offered, own
        return before

    def use(self, change: SandboxChange) -> None:
        """Apply a prepared configuration."""
        self._settings = change.settings
        use_change(self._parts, change)

    async def close(self) -> None:
        """Stop serving, and close the inbox. Safe to call twice."""
        await self._parts.close()
        if self._sockets is not None:
            self._sockets.close()

    def _tls(self) -> Callable[[], ssl.SSLContext] | None:
        """Return the source of the TLS context for POP3; None without a certificate."""
        files = certificate_files(self._settings, self._hostname, self._clock.now())
        if not files:
            return None
        contexts = ServerTls(files)
        return lambda: contexts.context(self._clock.monotonic())
