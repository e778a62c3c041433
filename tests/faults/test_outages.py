"""A whole node on virtual time: DNS is away for an hour (P10), the clock jumps (P9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.ledger.book import Book
from tests.ledger.injector import Injector

from pillarbox.config.settings import (
    ControlSettings,
    ListenerKind,
    ListenerSettings,
    NodeSettings,
    RouteKind,
    RouteSettings,
    Settings,
    StoreSettings,
)
from pillarbox.events.types import Event, RecipientBounced, RecipientDeferred
from pillarbox.lab.clock import run_virtual
from pillarbox.lab.servers import LabServer
from pillarbox.lab.world import Lab
from pillarbox.node.node import Node
from pillarbox.node.steering import make_control

HOUR = 3_600.0
DAY = 24 * HOUR
NAMES = """
$ORIGIN example.org.
@   300 IN MX 10 mx
mx  300 IN A  127.0.0.9
"""
SILENCE = NAMES + "\n;! timeout example.org\n"


def settings(directory: Path) -> Settings:
    """Return a node that takes mail from loopback and delivers it by MX."""
    return Settings(
        node=NodeSettings(hostname="node.example", directory=directory),
        store=StoreSettings(url="memory:"),
        control=ControlSettings(socket=directory / "control"),
        listener={
            "in": ListenerSettings(
                kind=ListenerKind.SUBMISSION,
                bind=("127.0.0.1:0",),
                trusted_networks=("127.0.0.0/8",),
                starttls=False,
            )
        },
        route={"mx": RouteSettings(kind=RouteKind.MX, recipients=("*",), allow_private=True)},
    )


def in_lab(
    directory: Path, zone: str, play: Callable[[Lab, LabServer, Node], Awaitable[None]]
) -> list[Event]:
    """Run a play with a node that has been given twenty messages; return its events."""
    events: list[Event] = []

    async def main() -> None:
        server = LabServer("mx.example.org")
        async with Lab(zone=NAMES, servers=[server]) as lab:
            lab.resolver.replace(zone)
            node = Node(
                settings(directory),
                log=lambda event, _: events.append(event),
                clock=lab.clock,
                resolver=lab.resolver,
                dialer=lab.dialer,
                control=make_control,
            )
            await node.start()
            ((address, port),) = node.receiver.addresses["in"]
            await Injector(Book(), address, port, recipient="b@example.org", limit=20).run()
            await play(lab, server, node)
            await node.stop("test")

    run_virtual(main(), grace=0.000_5)  # the node looks at its disk every second
    return events


def test_an_hour_without_dns_bounces_nothing(tmp_path: Path) -> None:
    """No answer is never a failure for good: all is delivered once DNS answers again."""

    async def play(lab: Lab, server: LabServer, node: Node) -> None:
        del node
        await asyncio.sleep(HOUR)
        assert not server.messages
        lab.resolver.replace(NAMES)
        await server.wait_for(20, timeout=5 * HOUR)

    events = in_lab(tmp_path, SILENCE, play)
    assert any(isinstance(event, RecipientDeferred) for event in events)
    assert not [event for event in events if isinstance(event, RecipientBounced)]


def test_a_clock_that_jumps_a_day_ahead_bounces_nothing(tmp_path: Path) -> None:
    """What waits is tried at once, and nothing expires for the jump alone."""

    async def play(lab: Lab, server: LabServer, node: Node) -> None:
        del node
        await asyncio.sleep(60)
        lab.clock.jump(6 * DAY)
        lab.resolver.replace(NAMES)
        await server.wait_for(20, timeout=2 * HOUR)

    events = in_lab(tmp_path, SILENCE, play)
    assert not [event for event in events if isinstance(event, RecipientBounced)]


def test_a_clock_that_goes_back_a_day_delays_nothing(tmp_path: Path) -> None:
    """After a jump back no message waits longer than the longest wait between attempts."""

    async def play(lab: Lab, server: LabServer, node: Node) -> None:
        del node
        await asyncio.sleep(60)
        lab.clock.jump(-DAY)
        lab.resolver.replace(NAMES)
        await server.wait_for(20, timeout=5 * HOUR)

    assert in_lab(tmp_path, SILENCE, play)
