"""A sandbox with a file that is killed has every mail that it acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import threading
from pathlib import Path

import pytest
from tests.catching import MAIL, PATIENCE, catching
from tests.integration.test_sandbox_command import started

from pillarbox.store.ids import parse_id

_CLIENTS = 4


def send_until_it_dies(address: str, acknowledged: list[str]) -> None:
    """Send one mail after the other, and note the id of each that was acknowledged."""
    host, _, port = address.rpartition(":")
    with (
        contextlib.suppress(OSError, smtplib.SMTPException),
        smtplib.SMTP(host, int(port), timeout=PATIENCE) as client,
    ):
        client.ehlo()
        while True:
            client.mail("ann@example.com")
            client.rcpt("bob@example.org")
            code, text = client.data(MAIL + b"x" * 20_000)
            assert code == 250
            acknowledged.append(text.decode().rpartition(" ")[2])


@pytest.mark.parametrize(
    "acknowledged_first", [1, 60, *(pytest.param(n, marks=pytest.mark.slow) for n in (200, 700))]
)
def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path, acknowledged_first: int) -> None:
    """After SIGKILL in the middle of deliveries, each id of a 250 is found with its content."""
    file = tmp_path / "mail.sqlite"
    acknowledged: list[str] = []
    quiet = ("--http", "off", "--pop3", "off", "--smtp", "127.0.0.1:0")
    with started(*quiet, "--database", str(file)) as (process, shown):
        threads = [
            threading.Thread(target=send_until_it_dies, args=(shown["smtp"][0], acknowledged))
            for _ in range(_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        while len(acknowledged) < acknowledged_first:
            assert process.poll() is None
            threads[0].join(0.005)
        process.kill()
        process.wait(PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)

    async def look() -> None:
        async with catching(database=file) as running:
            for shown_id in acknowledged:
                content = await running.sandbox.content(parse_id(shown_id))
                assert content is not None, shown_id
                assert content.endswith(b"x" * 20_000 + b"\r\n")
            caught = await running.send()
            assert caught.subject == "Hello"

    asyncio.run(look())
    assert len(acknowledged) >= acknowledged_first
