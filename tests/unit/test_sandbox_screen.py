from __future__ import annotations

import pytest

from pillarbox.cli.output import Out
from pillarbox.cli.sandbox.screen import show_screen
from pillarbox.config.settings import SandboxSettings, Settings
from pillarbox.sandbox.info import Addresses


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1"])
def test_doors_that_others_can_reach_are_told_with_the_way_to_close_them(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a password, a page and a POP3 server beyond this machine are warned of."""
    addresses = Addresses(http=(f"{host}:8025",), pop3=(f"{host}:1110",))
    show_screen(Out(no_color=True), Settings(sandbox=SandboxSettings()), addresses)
    shown = " ".join(capsys.readouterr().out.split())
    assert "--http-user USER:PASSWORD" in shown
    assert "sandbox.pop3_users" in shown


def test_closed_doors_are_not_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    """What is on loopback, or asks for a password, needs no warning."""
    addresses = Addresses(http=("0.0.0.0:8025",), pop3=("localhost:1110", "[::1]:1110"))
    settings = Settings(sandbox=SandboxSettings(http_users=("ann:secret",)))
    show_screen(Out(no_color=True), settings, addresses)
    assert "Open" not in capsys.readouterr().out


def test_the_screen_says_which_login_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """Where users are named, they stand on the screen, and in each way to send a first message."""
    settings = Settings(sandbox=SandboxSettings(users=("ann:secret",)))
    show_screen(Out(no_color=True), settings, Addresses(smtp=("localhost:1025",)))
    shown = " ".join(capsys.readouterr().out.split())
    assert "ann; with AUTH PLAIN or LOGIN. Mail without a login is refused (530)" in shown
    assert 'smtp.login("ann", "PASSWORD")' in shown
    assert "secret" not in shown
