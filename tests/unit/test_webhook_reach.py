"""Whose webhooks may lead to machines inside."""

from __future__ import annotations

import pytest

from pillarbox.config.settings import SandboxSettings
from pillarbox.sandbox.webhook_endpoints import is_local


@pytest.mark.parametrize(
    ("http", "proxies", "wanted"),
    [
        (("localhost:8025",), (), True),
        (("127.0.0.1:8025", "[::1]:8025"), (), True),
        (("0.0.0.0:8025",), (), False),
        (("localhost:8025", "192.0.2.1:8025"), (), False),
        (("localhost:8025",), ("127.0.0.1",), False),
    ],
)
def test_only_who_is_on_this_machine_may_name_machines_inside(
    http: tuple[str, ...], proxies: tuple[str, ...], wanted: bool
) -> None:
    """A page on loopback is local, unless a proxy brings others to it."""
    assert is_local(SandboxSettings(http=http, trusted_proxies=proxies)) is wanted
