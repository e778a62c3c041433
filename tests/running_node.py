"""A whole node in a thread of its own, for tests that are plain clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pillarbox.config.loader import load
from pillarbox.events.types import Event
from pillarbox.node.node import Node
from pillarbox.node.steering import make_control


@contextmanager
def running_node(configuration: Path, events: list[Event]) -> Iterator[Node]:
    """Run a node with a configuration file while the block lasts; collect what it tells."""
    settings = load(configuration, {}).settings
    started: list[Node] = []
    failed: list[BaseException] = []
    is_up = threading.Event()
    stop: list[asyncio.Event] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        stop.append(asyncio.Event())
        loops.append(asyncio.get_running_loop())
        node = Node(settings, log=lambda event, _: events.append(event), control=make_control)
        await node.start()
        started.append(node)
        is_up.set()
        await stop[0].wait()
        await node.stop("the test is over")

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - it is raised in the test
            failed.append(error)
        finally:
            is_up.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        if is_up.wait(60) and started:
            yield started[0]
    finally:
        if started and not failed:
            loops[0].call_soon_threadsafe(stop[0].set)
        thread.join(60)
    if failed:
        raise failed[0]
