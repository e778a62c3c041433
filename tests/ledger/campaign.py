"""Run a node under load while it is killed again and again, then judge."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.ledger.book import Book, Verdict
from tests.ledger.injector import Injector, load
from tests.ledger.sink import Mood, Sink, open_sink
from tests.node_process import SMTP_PORT, NodeProcess

SINK_PORT = 2526
_FIRST_DRAIN = 5.0
"""Seconds after which what has not arrived may be held: a node that died three times while it
tried a message, as happens where it is killed all the time, waits for its operator to release it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """How hard and how often."""

    kills: int
    connections: int = 8
    shortest: float = 0.1  # seconds of load between a start and the next kill
    longest: float = 1.0
    drain: float = 60.0  # seconds for the rest to arrive at the end
    mood: Mood = lambda: "take"


def moody(source: random.Random) -> Mood:
    """Return a sink's mood that is mostly good, and now and then each of the others."""
    return lambda: source.choices(("take", "defer", "refuse", "vanish"), (90, 6, 2, 2))[0]


async def run(campaign: Campaign, node: NodeProcess, sink_address: str) -> Verdict:
    """Carry out a campaign against a node that relays to ``sink_address``."""
    book = Book()
    source = random.Random()
    injector = Injector(book, node.address, SMTP_PORT)
    async with open_sink(Sink(book, campaign.mood), sink_address, SINK_PORT):
        node.start()
        try:
            await node.ready()
            async with load(injector, campaign.connections):
                for _ in range(campaign.kills):
                    await asyncio.sleep(source.uniform(campaign.shortest, campaign.longest))
                    node.kill()
                    book.kills.append(time.monotonic())
                    node.start()
                    await node.ready()
                await asyncio.sleep(campaign.longest)
            await drain(book, min(campaign.drain, _FIRST_DRAIN))
            if book.outstanding():
                await release_held(node)
                await drain(book, campaign.drain)
        finally:
            node.stop()
    return book.verdict()


async def release_held(node: NodeProcess) -> None:
    """Do what an operator does with messages that a node has died with."""
    words = ("--config", str(node.directory / "node.toml"), "queue", "release")
    command = (sys.executable, "-m", "pillarbox", *words, "--state", "held", "--all", "--yes")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    await process.wait()  # 1 where none was held


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until something has come true.

    Raises:
        TimeoutError: It did not within ``seconds``.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a condition of another process has no event
            await asyncio.sleep(0.02)


async def drain(book: Book, seconds: float) -> None:
    """Wait until everything acknowledged has been heard of, and a little longer."""
    with contextlib.suppress(TimeoutError):  # the verdict will say what is missing
        await until(lambda: not book.outstanding(), seconds)
    await asyncio.sleep(0.3)  # late second copies
