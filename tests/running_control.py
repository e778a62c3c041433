"""A control server on a store in memory, with a node's live side that only takes notes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.mail import NOW

from pillarbox.config.settings import RouteKind, RouteSettings
from pillarbox.control.client import ControlClient
from pillarbox.control.operations import Operations
from pillarbox.control.protocol import Request, Row, StatusRow
from pillarbox.control.server import ControlServer
from pillarbox.errors import PermanentError
from pillarbox.events.types import Event
from pillarbox.store.memory import MemoryStore
from pillarbox.store.port import Batch, Change, Changed, KeptMessage

ROUTES = {
    "mx": RouteSettings(kind=RouteKind.MX, recipients=("*",)),
    "backup": RouteSettings(kind=RouteKind.MX, source="192.0.2.7"),
    "later": RouteSettings(kind=RouteKind.HOLD),
}


@dataclass(slots=True)
class NotedLive:
    """What a running node was asked to do."""

    followed: list[tuple[Change, int]] = field(default_factory=list)
    is_paused: bool = False
    stopped: str = ""
    reload_error: str = ""

    def status(self) -> StatusRow:
        return StatusRow(
            is_running=True,
            node="main",
            version="test",
            pid=4711,
            started_at=NOW - 60,
            store="memory",
            is_paused=self.is_paused,
        )

    def follow(self, changed: Sequence[Changed], change: Change) -> None:
        self.followed.append((change, len(changed)))

    async def reload(self) -> Sequence[str]:
        if self.reload_error:
            raise PermanentError(self.reload_error)
        return ["queue.lifetime"]

    def pause(self, *, is_paused: bool) -> None:
        self.is_paused = is_paused

    def stop(self, reason: str) -> None:
        self.stopped = reason


@dataclass(slots=True)
class RunningControl:
    """An open control socket and all that is behind it."""

    path: Path
    store: MemoryStore
    live: NotedLive
    server: ControlServer
    operations: Operations
    recorded: list[Event] = field(default_factory=list)
    defects: list[BaseException] = field(default_factory=list)

    async def keep(self, *messages: KeptMessage) -> None:
        await self.store.commit(Batch(keep=list(messages)))

    async def ask(self, request: Request) -> list[Row]:
        """Ask as the command line does, which blocks, and return all rows."""

        def rows() -> list[Row]:
            with ControlClient(self.path, seconds=10) as client:
                return list(client.run(request))

        return await asyncio.to_thread(rows)

    async def say(self, octets: bytes) -> bytes:
        """Send octets as they are, and return what comes until the server closes."""

        def talk() -> bytes:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(self.path))
                try:
                    connection.sendall(octets)
                    connection.shutdown(socket.SHUT_WR)
                except (BrokenPipeError, OSError):
                    pass
                answer = b""
                while True:
                    try:
                        piece = connection.recv(65_536)
                    except ConnectionResetError:
                        return answer
                    if not piece:
                        return answer
                    answer += piece

        return await asyncio.to_thread(talk)


@asynccontextmanager
async def running_control(folder: Path) -> AsyncIterator[RunningControl]:
    """Open a control socket in ``folder``."""
    store = MemoryStore("main", lambda: NOW)
    await store.open()
    live = NotedLive()
    recorded: list[Event] = []
    defects: list[BaseException] = []

    async def record(events: Sequence[Event]) -> None:
        recorded.extend(events)

    operations = Operations(
        store,
        now=lambda: NOW,
        record=record,
        status=live.status(),
        routes=lambda: ROUTES,
        live=live,
    )
    server = ControlServer(folder / "control", operations, defects.append)
    await server.start()
    try:
        yield RunningControl(folder / "control", store, live, server, operations, recorded, defects)
    finally:
        await server.stop()
        await store.close()
