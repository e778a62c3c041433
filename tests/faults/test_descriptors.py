"""File descriptors run out (P14): no spinning, no loss, and all is well afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from pathlib import Path

import psutil
import pytest
from tests.faults.nodes import node_for, running
from tests.ledger.book import Book
from tests.ledger.campaign import SINK_PORT, drain
from tests.ledger.injector import Injector, load
from tests.ledger.sink import Sink, open_sink
from tests.loopback import own_address
from tests.node_process import SMTP_PORT

_DESCRIPTORS = 256
_CLIENTS = 600


def crowd(address: str) -> list[socket.socket]:
    """Open far more connections than the node has descriptors for; nobody says a word."""
    connections = []
    for _ in range(_CLIENTS):
        connection = socket.socket()
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.connect((address, SMTP_PORT))
        connections.append(connection)
    return connections


def test_a_node_without_descriptors_rests_and_recovers(tmp_path: Path) -> None:
    """With `ulimit -n 256` and 600 clients it uses little CPU, and takes mail afterwards."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    sink_address = own_address()
    node = node_for(tmp_path, sink_address)
    node.before = ("prlimit", f"--nofile={_DESCRIPTORS}", "--")
    book = Book()

    async def scenario() -> float:
        async with open_sink(Sink(book), sink_address, SINK_PORT), running(node):
            connections = crowd(node.address)
            await asyncio.sleep(0.5)
            process = psutil.Process(node.pid)
            process.cpu_percent()
            await asyncio.sleep(1.5)
            busy = process.cpu_percent()
            for connection in connections:
                connection.close()
            async with load(Injector(book, node.address, SMTP_PORT, limit=50), 4) as tasks:
                async with asyncio.timeout(20):
                    await asyncio.gather(*tasks)
            await drain(book, 20)
            return busy

    busy = asyncio.run(scenario())
    verdict = book.verdict()
    assert verdict.is_good, str(verdict)
    assert verdict.acknowledged == 50
    assert busy < 20, f"{busy} % of a processor while there was nothing to do"
