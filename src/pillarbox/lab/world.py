"""The lab: names, mail servers and a clock, into which a node is put.

    async with Lab(zone=ZONE, servers=[LabServer("mx.example.org")]) as lab:
        node = Node(settings, resolver=lab.resolver, dialer=lab.dialer, clock=lab.clock)
        ...
        (caught,) = await lab.server("mx.example.org").wait_for(1)

The zone gives each server's host name an address of 127.0.0.0/8; its port there is
whatever was free, and the lab's dialer knows it. Nothing leaves the machine: an address
that no server of the lab has refuses connections.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final, Self

from pillarbox.dns.zone import ZoneResolver
from pillarbox.errors import PermanentError
from pillarbox.lab.bounces import Bouncer
from pillarbox.lab.clock import LabClock
from pillarbox.lab.servers import LabServer
from pillarbox.mailauth.resolver import Outcome
from pillarbox.net.dialer import Dialer, PeerRefused, PeerTimedOut, PeerUnreachable, SocketDialer

__all__ = ["Lab", "LabDialer"]

_SMTP: Final = 25


@dataclass(slots=True)
class LabDialer:
    """A dialer that reaches only the lab.

    ``silent`` holds addresses that never answer, ``unreachable`` those without a route.
    """

    dialer: Dialer = field(default_factory=SocketDialer)
    servers: dict[tuple[str, int], LabServer] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    dialed: list[tuple[str, int]] = field(default_factory=list)

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        address: str,
        port: int,
        *,
        source: str = "",
        timeout: float,  # noqa: ASYNC109 - a port's argument
    ) -> asyncio.Transport:
        """Open a connection to the lab's server at an address and port.

        Raises:
            DialError: No server of the lab takes connections there.
        """
        self.dialed.append((address, port))
        where = f"{address} port {port}"
        if address in self.silent:
            await asyncio.sleep(timeout)
            raise PeerTimedOut(f"{where}: {os.strerror(errno.ETIMEDOUT)}")
        if address in self.unreachable:
            raise PeerUnreachable(f"{where}: {os.strerror(errno.EHOSTUNREACH)}")
        server = self.servers.get((address, port))
        if server is None or not server.is_up:
            raise PeerRefused(f"{where}: {os.strerror(errno.ECONNREFUSED)}")
        return await self.dialer.connect(
            factory, address, server.port, source=source, timeout=timeout
        )


class Lab:
    """A small internet in a box."""

    def __init__(
        self, *, zone: str, servers: Sequence[LabServer] = (), start: float | None = None
    ) -> None:
        """Describe a lab; ``async with`` starts it.

        Args:
            zone: Master file text with MX and address records (``dns.zone``).
            servers: Mail servers; the zone must give each host name an IPv4 address of
                127.0.0.0/8.
            start: The wall clock at the beginning (seconds since 1970).
        """
        self.resolver = ZoneResolver(zone)
        self.dialer = LabDialer()
        self.clock: LabClock
        self._start = start
        self._servers = {server.hostname: server for server in servers}

    async def __aenter__(self) -> Self:
        """Start the clock and the servers."""
        self.clock = LabClock() if self._start is None else LabClock(self._start)
        self._bouncer = Bouncer(self.resolver, self.dialer, self.clock)
        try:
            for server in self._servers.values():
                await self._start_server(server)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the servers."""
        await self._stop()

    def server(self, hostname: str) -> LabServer:
        """Return the server of that name.

        Raises:
            PermanentError: There is none.
        """
        try:
            return self._servers[hostname]
        except KeyError:
            raise PermanentError(f"the lab has no server {hostname!r}") from None

    async def _start_server(self, server: LabServer) -> None:
        answer = await self.resolver.addresses(server.hostname)
        if answer.outcome is not Outcome.FOUND:
            raise PermanentError(f"the zone gives {server.hostname} no address")
        for address in answer.records:
            if not address.startswith("127."):
                raise PermanentError(f"{server.hostname}: {address} is not in 127.0.0.0/8")
            self.dialer.servers[address, _SMTP] = server
        if server.on_bounce is None:
            server.on_bounce = partial(self._bouncer.bounce, server)
        await server.start(answer.records[0])

    async def _stop(self) -> None:
        await self._bouncer.stop()
        for server in self._servers.values():
            await server.stop()
