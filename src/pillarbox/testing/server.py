"""A sandbox in its own thread, for tests whose code blocks or has another event loop."""

from __future__ import annotations

import asyncio
import os
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
    """Catches mail on free ports."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        """Prepare a server; ``start`` starts it.

        Args:
            options: Fields of ``SandboxSettings`` to change, such as ``{"require_auth": True}``.

        Raises:
            PermanentError: There is no such option.
        """
        settings = SandboxSettings(smtp=_ANYWHERE, smtps=_ANYWHERE, http=(), pop3=())
        options = dict(options or {})
        try:
            if isinstance(auth := options.get("auth"), str):
                options["auth"] = SandboxAuth(auth)
            self._settings = Settings(sandbox=replace(settings, **options))
        except (TypeError, ValueError) as error:
            raise PermanentError(f"the sandbox has no such option: {error}") from error
        self._loop = asyncio.new_event_loop()
        self._node: SandboxNode | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="pillarbox-mail", daemon=True)

    def start(self) -> None:
        """Start it.

        Raises:
            PermanentError: It cannot be started with these options.
        """
        self._process = os.getpid()
        self._thread.start()
        try:
            self._node = self._await(self._start())
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Stop it. Safe to call twice, and in a process that was forked."""
        if os.getpid() != self._process:
            return  # its thread runs in the process that started it
        node, self._node = self._node, None
        if node is not None:
            self._await(node.stop())
        self._end()

    def require_own_process(self) -> None:
        """Check that the server runs in this process.

        Raises:
            PermanentError: It runs in the one that this was forked from.
        """
        if os.getpid() != self._process:
            raise PermanentError(
                "the mail server runs in the process that this one was forked from; mail can be "
                "sent to it from here, but has to be waited for there"
            )

    def _end(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE)

    def call(self, function: Callable[[Sandbox], Awaitable[_T]]) -> _T:
        """Run a coroutine on the sandbox, in its thread, and return the result."""
        self.require_own_process()
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
        future = asyncio.run_coroutine_threadsafe(awaitable, self._loop)
        try:
            return future.result(_PATIENCE)
        except TimeoutError:
            if future.done():  # it is the answer
                raise
            future.cancel()
            raise TimeoutError(f"the mail server has not answered for {_PATIENCE:g} s") from None

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
