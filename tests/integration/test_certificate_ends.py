"""Certificates that end: told by the check of the configuration, and by a node that runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from pillarbox.config.check import check
from pillarbox.config.loader import load
from pillarbox.config.settings import Settings
from pillarbox.events.types import CertificateExpires, Event
from pillarbox.findings import Level
from pillarbox.lab.clock import LabClock, run_virtual
from pillarbox.node.certificates import Certificates

AUTHORITY = trustme.CA()
TEXT = """
[node]
hostname = "mail.example.org"
directory = "{folder}"
[tls]
certificate = "{folder}/cert.pem"
key = "{folder}/key.pem"
[listener.in]
kind = "submission"
bind = ["127.0.0.1:2525"]
trusted_networks = ["127.0.0.1"]
[route.out]
kind = "mx"
recipients = ["*"]
"""


def configured(folder: Path, *, ends_in: timedelta) -> Path:
    """Write a certificate that ends then, and a configuration that shows it."""
    now = datetime.now(UTC)
    leaf = AUTHORITY.issue_cert(
        "mail.example.org", not_before=now - timedelta(days=400), not_after=now + ends_in
    )
    (folder / "cert.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    path = folder / "pillarbox.toml"
    path.write_text(TEXT.format(folder=folder))
    return path


@pytest.mark.parametrize(
    ("days", "found"),
    [
        (31.0, []),
        (29.5, [("PB-CONFIG-086", Level.WARNING)]),
        (7.5, [("PB-CONFIG-086", Level.WARNING)]),
        (6.5, [("PB-CONFIG-085", Level.WARNING)]),
        (-0.5, [("PB-CONFIG-084", Level.ERROR)]),
    ],
)
def test_the_check_tells_of_a_certificate_before_it_ends(
    tmp_path: Path, days: float, found: list[tuple[str, Level]]
) -> None:
    """From 30 days before, in other words in the last week, and when it is too late."""
    findings = check(load(configured(tmp_path, ends_in=timedelta(days=days)), {}))
    assert [(each.code, each.level) for each in findings] == found
    assert all("cert.pem" in each.what and "Renew" in each.fix for each in findings)


def test_a_running_node_tells_of_it_once_a_day(tmp_path: Path) -> None:
    """From 30 days before the end, until there is another."""
    settings = load(configured(tmp_path, ends_in=timedelta(days=32, hours=12)), {}).settings
    told: list[Event] = []
    run_virtual(_watch(settings, told, days=5))
    assert [each.days for each in told if isinstance(each, CertificateExpires)] == [29, 28, 27]
    told.clear()
    configured(tmp_path, ends_in=timedelta(days=90))
    run_virtual(_watch(settings, told, days=5))
    assert not told


async def _watch(settings: Settings, told: list[Event], *, days: int) -> None:
    clock = LabClock(start=datetime.now(UTC).timestamp())
    certificates = Certificates(
        settings,
        hostname="mail.example.org",
        clock=clock,
        sink=told.append,
        on_fetched=lambda: None,
        sockets=(),
    )
    await certificates.start()
    await asyncio.sleep(days * 86_400.0)
    await certificates.stop()
