"""``pillarbox readyz`` for scripts and health checks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from click.testing import CliRunner
from tests.web_sandbox import RunningWeb, web

from pillarbox.api import health
from pillarbox.cli.main import cli
from pillarbox.web.routing import Router
from pillarbox.web.settings import WebSettings

ENVIRONMENT = {"PILLARBOX_CONFIG": "", "NO_COLOR": "1"}


class Switch:
    """What a probe is told is missing."""

    def __init__(self) -> None:
        self.missing = ""

    async def ask(self) -> str:
        return self.missing

    def router(self) -> Router:
        async def nothing(_: object) -> None:
            """Nothing has to be brought up to date."""

        return health.router(self.ask, nothing)


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def server(switch: Switch) -> Iterator[RunningWeb]:
    settings = WebSettings(webroot="/mail", users={"ann": "secret"})
    with web(switch.router(), settings=settings) as running:
        yield running


def readyz(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["readyz", *arguments], env=ENVIRONMENT)
    return done.exit_code, done.output


def test_a_ready_sandbox_is_told_by_the_exit_status(server: RunningWeb) -> None:
    """0, at the root and below the webroot, and without a password."""
    for path in ("", "/mail", "/mail/"):
        code, output = readyz(server.base + path)
        assert (code, "is ready" in output) == (0, True), output


def test_what_is_missing_is_said(server: RunningWeb, switch: Switch) -> None:
    """1, with the sentence that the sandbox gives."""
    switch.missing = "No SMTP listener is bound."
    code, output = readyz(server.base)
    assert code == 1
    assert "No SMTP listener is bound." in output


def test_it_can_be_waited_for(server: RunningWeb, switch: Switch) -> None:
    """It ends as soon as the sandbox is ready."""
    switch.missing = "Not yet."
    timer = threading.Timer(0.15, lambda: setattr(switch, "missing", ""))
    timer.start()
    code, output = readyz("--wait", "20s", "--json", server.base)
    timer.join()
    found = json.loads(output)
    assert (code, found["is_ready"]) == (0, True)
    assert found["seconds"] < 10


def test_who_does_not_answer_is_not_ready() -> None:
    """A refused connection and an answer that is no probe's are both a 1."""
    with ExitStack() as stack:
        other = stack.enter_context(web(Router()))
        assert readyz(other.base)[0] == 1
    code, output = readyz(other.base)
    assert code == 1
    assert "refused" in output


@pytest.mark.parametrize(
    "arguments", [("ftp://x",), ("http://localhost:x",), ("--wait", "soon", "x")]
)
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    """2, as for every command."""
    assert readyz(*arguments)[0] == 2


@pytest.mark.parametrize(
    "url", ["http://[", "ftp://localhost", "http://a:99999/", "http://\x1b[2J"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """2, without a traceback, and without what would steer a terminal."""
    code, output = readyz(url)
    assert (code, "is not an address" in output) == (2, True)
    assert "\x1b" not in output


def test_a_name_that_no_host_can_have_is_not_ready() -> None:
    """A label of eighty characters is an answer, too."""
    code, output = readyz(f"http://{'a' * 80}.example")
    assert (code, "is not ready" in output) == (1, True)
