"""A sandbox in its own thread, for tests whose code blocks or has another event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from pillarbox.config.settings import Settings
from pillarbox.config.settings.sandbox import SandboxAuth, SandboxSettings
from pillarbox.errors import PermanentError
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox.service import Sandbox

__all__ = ["MailServer"]

_T = TypeVar("_T")

_ANYWHERE: Final = ("localhost:0",)
_PATIENCE: Final = 30.0  # seconds after which something is wrong with the thread


class MailServer:
    """Catches mail on ports that the system has chosen."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        """Prepare a server; ``start`` starts it.

        Args:
            options: Fields of ``SandboxSettings`` that are to be other than usual, such as
                ``{"require_auth": True}``.

        Raises:
            PermanentError: There is no such option.
        """
        settings = SandboxSettings(smtp=_ANYWHERE, smtps=_ANYWHERE, http=(), pop3=(), starttls=True)
        options = dict(options or {})
        if isinstance(auth := options.get("auth"), str):
            options["auth"] = SandboxAuth(auth)
        try:
            self._settings = Settings(sandbox=replace(settings, **options))
        except TypeError as error:
            raise PermanentError(f"the sandbox has no such option: {error}") from error
        self._loop = asyncio.new_event_loop()
        self._node: SandboxNode | None = None
        self._thread = threading.Thread(target=self._run, name="pillarbox-mail", daemon=True)

    def start(self) -> None:
        """Start it.

        Raises:
            PermanentError: It cannot be started as the options want it.
        """
        self._thread.start()
        self._node = self._await(self._start())

    def stop(self) -> None:
        """Stop it. Safe to call twice."""
        node, self._node = self._node, None
        if node is not None:
            self._await(node.stop())
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE)

    def call(self, function: Callable[[Sandbox], Awaitable[_T]]) -> _T:
        """Do something with the sandbox, in its thread, and return what comes of it."""
        result: _T = self._await(_with(function, self._running.sandbox))
        return result

    @property
    def host(self) -> str:
        """The name to connect to."""
        return self._running.addresses.smtp[0].rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port for SMTP, with STARTTLS."""
        return _port(self._running.addresses.smtp)

    @property
    def tls_port(self) -> int:
        """The port for SMTP with TLS from the first octet; 0 where there is none."""
        return _port(self._running.addresses.smtps)

    @property
    def page(self) -> str:
        """The address of the page that shows what was caught; "" where there is none."""
        addresses = self._running.addresses.http
        return f"http://{addresses[0]}/" if addresses else ""

    @property
    def certificate(self) -> Path | None:
        """The file with the certificate that a client has to trust to verify the server."""
        return self._running.certificate

    @property
    def _running(self) -> SandboxNode:
        if self._node is None:
            raise PermanentError("the mail server of the tests is not running")
        return self._node

    def _await(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(_PATIENCE)

    async def _start(self) -> SandboxNode:
        node = SandboxNode(self._settings)
        await node.start()
        return node

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()


async def _with(function: Callable[[Sandbox], Awaitable[_T]], sandbox: Sandbox) -> _T:
    return await function(sandbox)


def _port(addresses: tuple[str, ...]) -> int:
    return int(addresses[0].rpartition(":")[2]) if addresses else 0
