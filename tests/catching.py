"""A sandbox in the loop of a test, and clients that send to it from a thread."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from pillarbox.config.settings import SandboxProjectSettings, SandboxSettings, Settings
from pillarbox.inbox.values import Page, Summary
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox.service import Sandbox

_T = TypeVar("_T")
PATIENCE = 30.0
MAIL = b"From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: Hello\r\n\r\nIt works.\r\n"


class Running:
    """A sandbox that runs, without pages."""

    def __init__(self, node: SandboxNode) -> None:
        self.node = node

    @property
    def sandbox(self) -> Sandbox:
        return self.node.sandbox

    @property
    def port(self) -> int:
        return int(self.node.addresses.smtp[0].rpartition(":")[2])

    @property
    def tls_port(self) -> int:
        return int(self.node.addresses.smtps[0].rpartition(":")[2])

    def trust(self) -> ssl.SSLContext:
        """Return a context that trusts the sandbox's own certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.node.certificate))

    async def talk(self, dialog: Callable[[smtplib.SMTP], _T]) -> _T:
        """Have a client talk on a connection of its own."""

        def run() -> _T:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as client:
                return dialog(client)

        return await asyncio.to_thread(run)

    async def send(
        self,
        content: bytes = MAIL,
        *,
        sender: str = "ann@example.com",
        to: str | Sequence[str] = "bob@example.org",
        user: str = "",
        password: str = "",
    ) -> Summary:
        """Send a mail; return the newest one that is there when it was acknowledged."""

        def dialog(client: smtplib.SMTP) -> None:
            if user:
                client.login(user, password)
            assert not client.sendmail(sender, to, content)

        await self.talk(dialog)
        newest = await self.sandbox.latest()
        assert newest is not None
        return newest

    async def all(self, project: str | None = None) -> Page:
        return await self.sandbox.find(project=project)


@asynccontextmanager
async def catching(
    projects: dict[str, SandboxProjectSettings] | None = None, **own: Any
) -> AsyncIterator[Running]:
    """Run a sandbox with these settings: SMTP on any port, in memory, without pages."""
    chosen = {"smtp": ("127.0.0.1:0",), "http": (), "pop3": (), "starttls": True, **own}
    settings = Settings(sandbox=SandboxSettings(**chosen), sandbox_project=projects or {})
    defects: list[BaseException] = []
    node = SandboxNode(settings, on_defect=lambda _where, error: defects.append(error))
    await node.start()
    try:
        yield Running(node)
    finally:
        await node.stop()
    assert not defects


def with_sandbox(test: Callable[[Running], Any], **own: Any) -> None:
    """Run a coroutine function on a sandbox with these settings."""

    async def run() -> None:
        async with catching(**own) as running:
            await test(running)

    asyncio.run(run())


def without_trace(content: bytes | None) -> bytes:
    """Return a caught mail without the trace field that was put on top of it."""
    assert content is not None
    assert content.startswith(b"Received: ")
    lines = content.split(b"\r\n")
    first = next(number for number, line in enumerate(lines[1:], 1) if not line.startswith(b"\t"))
    return b"\r\n".join(lines[first:])


def project(**own: Any) -> SandboxProjectSettings:
    """Return the settings of a project."""
    return replace(SandboxProjectSettings(), **own)
