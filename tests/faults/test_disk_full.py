"""The store's disk is full (P3): new mail waits outside, delivery goes on, all recovers."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.nodes import node_for, running
from tests.ledger.book import Book
from tests.ledger.campaign import SINK_PORT, drain, until
from tests.ledger.injector import Injector, load
from tests.ledger.sink import Sink, open_sink
from tests.loopback import own_address
from tests.node_process import SMTP_PORT

_SIZE = "24m"
_RESERVE = 4 * 1024 * 1024
_PATIENCE = 60.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(folder)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_new_mail_and_delivers_the_old(small_disk: Path) -> None:
    """452 4.3.1 and nothing else, delivery goes on, and nobody has to help."""
    sink_address = own_address()
    reserve = f"reserve = {_RESERVE}\n"
    node = node_for(small_disk / "node", sink_address)
    node.config = (
        node.config.replace("[store]\n", f"[store]\n{reserve}")
        # What keeps failing keeps filling the journal; not every second here.
        .replace("first_retry = 0.5", "first_retry = 3")
        .replace("max_retry = 1.0", "max_retry = 6")
    )
    book = Book()
    mood = ["defer"]

    async def scenario() -> None:
        injector = Injector(book, node.address, SMTP_PORT, sizes=(20_000, 60_000))
        sink = Sink(book, lambda: mood[0])
        async with open_sink(sink, sink_address, SINK_PORT), running(node):
            async with load(injector, 8):
                await until(lambda: book.refusals[452] > 0, _PATIENCE)
                mood[0] = "take"
                enough = len(book.acknowledged) + 50
                await until(lambda: len(book.acknowledged) > enough, _PATIENCE)
            await drain(book, _PATIENCE)

    asyncio.run(scenario())
    verdict = book.verdict()
    assert verdict.is_good, str(verdict)
    assert set(verdict.refusals) == {452}, str(verdict)
