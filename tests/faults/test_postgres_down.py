"""PostgreSQL goes away and comes back (P15): 4xx meanwhile, nothing lost, back at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.faults.nodes import node_for, running
from tests.ledger.book import Book
from tests.ledger.campaign import SINK_PORT, drain, until
from tests.ledger.injector import Injector, load
from tests.ledger.sink import Sink, open_sink
from tests.loopback import own_address
from tests.node_process import SMTP_PORT
from tests.postgres import PostgresServer, new_server

_ALLOWED = {421, 451}
_BACK = 5.0  # seconds after the database


async def outage(server: PostgresServer, book: Book, seconds: float) -> float:
    """Crash the database, bring it back, and return in what time mail was taken again."""
    await asyncio.to_thread(server.stop, "immediate")
    await asyncio.sleep(seconds)
    await asyncio.to_thread(server.start)
    back = time.monotonic()
    acknowledged = len(book.acknowledged)
    await until(lambda: len(book.acknowledged) > acknowledged, 30)
    return time.monotonic() - back


async def campaign(directory: Path, outages: list[float]) -> tuple[Book, list[float]]:
    """Run a node under load through some outages."""
    server = await asyncio.to_thread(new_server)
    sink_address, book = own_address(), Book()
    node = node_for(directory, sink_address, store=server.database())
    try:
        async with open_sink(Sink(book), sink_address, SINK_PORT), running(node):
            async with load(Injector(book, node.address, SMTP_PORT), 6):
                await asyncio.sleep(0.5)
                # What was in flight when its result could not be written comes again.
                waits = []
                for seconds in outages:
                    book.kills.append(time.monotonic())
                    waits.append(await outage(server, book, seconds))
                    await asyncio.sleep(0.5)
            await drain(book, 60)
    finally:
        server.stop()
    return book, waits


@pytest.mark.parametrize(
    "outages",
    [[0.2, 2.0], pytest.param([0.2, 1.0, 5.0, 60.0, 0.2], marks=pytest.mark.slow)],
    ids=["short", "long"],
)
@pytest.mark.timeout(300)
def test_a_database_that_crashes_costs_nothing_but_time(
    tmp_path: Path, outages: list[float]
) -> None:
    """No acknowledged message is lost, refusals are 4xx, and mail is taken within 5 s."""
    book, waits = asyncio.run(campaign(tmp_path, outages))
    verdict = book.verdict()
    assert verdict.is_good, str(verdict)
    assert set(verdict.refusals) <= _ALLOWED, str(verdict)
    assert max(waits) < _BACK, waits
