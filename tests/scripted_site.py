"""Scripted servers at the addresses of a lab, for what a lab server would never do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from msgspec.structs import replace
from tests.delivery_rig import Rig
from tests.scripted_server import Script, Talk, serve

from pillarbox.lab.servers import LabServer
from pillarbox.net.dialer import Dialer
from pillarbox.store.port import KeptMessage


class _ByWay:
    """Dials scripted servers, which are at 127.0.0.1, whatever address a zone gives them."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self.ports: set[int] = set()

    async def connect(
        self, factory: Callable[[], asyncio.Protocol], address: str, port: int, **options: Any
    ) -> asyncio.Transport:
        """Open a connection to 127.0.0.1 for a scripted server's port."""
        where = "127.0.0.1" if port in self.ports else address
        return await self._dialer.connect(factory, where, port, **options)


@dataclass(frozen=True, slots=True)
class _Port:
    """What the lab's dialer asks of a server."""

    port: int
    is_up: bool = True


@asynccontextmanager
async def site(
    rig: Rig, address: str, *scripts: Script, port: int = 25
) -> AsyncIterator[list[Talk]]:
    """Serve connections to ``address`` by these scripts; gives those that came."""
    talks: list[Talk] = []

    def listening(script: Script) -> Script:
        async def run(talk: Talk) -> None:
            talks.append(talk)
            await script(talk)

        return run

    async with serve(*map(listening, scripts)) as endpoint:
        place = cast("LabServer", _Port(endpoint.port))
        rig.lab.dialer.servers[address, port] = place
        way = rig.lab.dialer.dialer
        if not isinstance(way, _ByWay):
            way = rig.lab.dialer.dialer = _ByWay(way)
        way.ports.add(endpoint.port)
        yield talks


def allow_socket(rig: Rig, path: str) -> None:
    """Let the lab's dialer open a Unix socket."""
    rig.lab.dialer.servers[path, 0] = cast("LabServer", _Port(0))


async def send(rig: Rig, message: KeptMessage, *, route: str = "mx", **asked: Any) -> KeptMessage:
    """Have a message committed and offered, by a route and with parameters for its recipients."""
    recipients = tuple(
        replace(kept, queue=replace(kept.queue, route=route)) for kept in message.recipients
    )
    envelope = message.envelope
    if asked:
        wanted = tuple(replace(one, **asked) for one in envelope.recipients)
        envelope = replace(envelope, recipients=wanted)
    message = replace(message, recipients=recipients, envelope=envelope)
    await rig.group.keep(message)
    rig.deliverer.offer(message)
    return message


def said(talks: list[Talk]) -> list[str]:
    """Return every command that came, over all connections."""
    return [line.decode().rstrip("\r\n") for talk in talks for line in talk.heard if line]
