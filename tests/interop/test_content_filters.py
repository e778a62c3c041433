"""Real content filters are asked about caught mail."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback import own_address
from tests.peers import require
from tests.preflight_mail import mail
from tests.real_rspamd import GTUBE, running_rspamd

from pillarbox.sandbox.filters import Envelope, Rspamd, SpamAssassin


@pytest.fixture
def spamd(tmp_path: Path) -> Iterator[str]:
    """Run SpamAssassin with the rules of its package, and without the network."""
    require("spamd")
    address = own_address()
    arguments = ["-i", address, "-p", "7830", "-A", "127.0.0.0/8", "-L", "-x", "-m", "1"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["spamd", *arguments, "-s", "stderr"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError), socket.create_connection((address, 7830), 1):
                    break
                assert time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.05)
            yield f"{address}:7830"
        finally:
            process.terminate()
            process.wait(10)


def test_rspamd_knows_the_test_mail(tmp_path: Path) -> None:
    """GTUBE is spam to it, and an order is none."""
    with running_rspamd(tmp_path) as url:
        content = f"From: a@a.net\r\nSubject: s\r\n\r\n{GTUBE}\r\n".encode()
        spam = asyncio.run(Rspamd(url).judge(content, Envelope(reverse_path="a@a.net")))
        fine = asyncio.run(Rspamd(url).judge(mail(), Envelope(reverse_path="a@a.net")))

    assert (spam.problem, spam.score, spam.threshold) == ("", 15.0, 15.0)
    assert (fine.problem, fine.score) == ("", 0.0)


def test_spamassassin_knows_the_test_mail(spamd: str) -> None:
    """Score, threshold and the rule that fired come out of its report."""
    filter_ = SpamAssassin(spamd)
    content = f"From: a@a.net\r\nSubject: s\r\n\r\n{GTUBE}\r\n".encode()
    spam = asyncio.run(filter_.judge(content, Envelope()))
    fine = asyncio.run(filter_.judge(mail(), Envelope()))

    assert (spam.problem, spam.threshold) == ("", 5.0)
    assert "GTUBE" in {rule.name for rule in spam.rules}
    assert spam.score > 500
    assert fine.score < 5
