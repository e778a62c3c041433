"""``pillarbox sandbox`` as a process: its screen, its options, Mailpit's variables, its end."""

from __future__ import annotations

import json
import os
import select
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.catching import MAIL, PATIENCE
from tests.forked import ForkedCommand, run_forked

_QUIET = ("--pop3", "off")


class StartedSandbox(ForkedCommand):
    """A sandbox that runs, and what it has written."""

    def __init__(self, *options: str, env: Mapping[str, str], folder: Path) -> None:
        """Start it.

        Args:
            *options: What stands after ``pillarbox sandbox``.
            env: Its environment.
            folder: Where it runs.
        """
        reader, writer = os.pipe()
        self.output = os.fdopen(reader)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `end`
        with os.fdopen(writer, "w") as stdout:
            words = ("sandbox", *options)
            super().__init__(words, stdout=stdout, stderr=self._errors, env=env, cwd=folder)

    def line(self) -> str:
        """Return the next line that it prints; "" at its end."""
        assert select.select([self.output], [], [], 4 * PATIENCE)[0]
        return self.output.readline()

    def errors(self) -> str:
        """Return what it has written to its standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def end(self) -> None:
        """Kill it, if it has not ended."""
        self.kill()
        self.wait()
        self.output.close()
        self._errors.close()


@contextmanager
def started(
    *options: str, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[tuple[StartedSandbox, dict[str, Any]]]:
    """Run the command with ``--json`` until it is ready; end it if it has not ended."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MP_")}
    environment = {**clean, **(environ or {})}
    process = StartedSandbox(*options, "--json", env=environment, folder=folder or Path.cwd())
    try:
        line = process.line()
        assert line, process.errors()
        yield process, json.loads(line)
    finally:
        process.end()


def send(address: str) -> None:
    host, _, port = address.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=PATIENCE) as client:
        client.sendmail("ann@example.com", "bob@example.org", MAIL)


def test_it_says_where_it_is_and_ends_cleanly_on_sigterm() -> None:
    """With port 0 everything has a port of its own, and SIGTERM ends it with status 0."""
    anywhere = ("--smtp", "localhost:0", "--smtps", "localhost:0", "--http", "localhost:0")
    with started(*anywhere, *_QUIET) as (process, shown):
        send(shown["smtp"][0])
        assert shown["http"][0].startswith("http://localhost:")
        assert shown["smtps"]
        assert shown["pop3"] == []
        assert Path(shown["certificate"]).exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert not Path(shown["certificate"]).exists()
        assert process.errors() == ""


def test_a_port_that_is_taken_is_told_with_the_way_out() -> None:
    """The error names the address and the setting, and how to choose another port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        others = ("--http", "localhost:0", "--pop3", "localhost:0")
        done = run_forked("sandbox", "--smtp", f"localhost:{port}", *others)
    text = done.stderr
    assert done.returncode == 1
    assert f"another program listens on 127.0.0.1:{port} (sandbox.smtp)" in text
    assert "--smtp localhost:0" in text
    assert "Traceback" not in text


def test_the_screen_shows_how_to_begin() -> None:
    """Without --json a person reads where to send and look, what is kept, and what leaves."""
    options = ("--max-messages", "7", "--max-age", "2 h", "--label", "mine")
    command = [sys.executable, "-m", "pillarbox", "sandbox", *options]
    command += ["--smtp", "localhost:0", "--http", "off", *_QUIET]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        output = process.stdout
        assert output is not None
        while not lines or not lines[-1].startswith("Press Ctrl-C"):
            lines.append(output.readline().decode())
            assert lines[-1]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    text = "".join(lines)
    for part in ("mine", "in memory", "7 messages", "2 h old", "nothing", "curl smtp://localhost:"):
        assert part in text, part


def test_mailpits_variables_are_understood(tmp_path: Path) -> None:
    """A compose file for Mailpit works as it is; what nobody knows is told of once."""
    environ = {
        "MP_SMTP_BIND_ADDR": "127.0.0.1:0",
        "MP_UI_BIND_ADDR": "127.0.0.1:0",
        "MP_POP3_BIND_ADDR": "127.0.0.1:0",
        "MP_DATABASE": str(tmp_path / "mailpit.db"),
        "MP_MAX_MESSAGES": "123",
        "MP_MAX_AGE": "3d",
        "MP_SMTP_AUTH": "ann:secret bob:x",
        "MP_LABEL": "from the environment",
        "MP_WEBROOT": "/mail/",
        "MP_SMTP_AUTH_ALLOW_INSECURE": "true",
        "MP_NO_SUCH_THING": "1",
        "MP_SOMETHING_ELSE": "1",
    }
    options = ("--label", "from the command line")
    with started(*options, environ=environ, folder=tmp_path) as (process, shown):
        assert shown["database"] == str(tmp_path / "mailpit.db")
        assert (shown["max_messages"], shown["max_age"]) == (123, 3 * 86_400)
        assert (shown["auth"], shown["label"]) == ("chosen", "from the command line")
        assert shown["http"][0].endswith("/mail/")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        text = process.errors()
    assert text.count("PB-CONFIG-090") == 1
    assert "$MP_NO_SUCH_THING, $MP_SOMETHING_ELSE" in " ".join(text.split())


def test_the_demonstration_catches_some_mail_and_delivers_one(tmp_path: Path) -> None:
    """`make run` starts a sandbox with mail to look at, and tells the story of a delivery."""
    ports = ("--port", "0", "--sandbox-port", "0", "--http-port", "0")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pillarbox", "demo", "--once", *ports),
            *("--directory", str(tmp_path / "demo")),
        ],
        capture_output=True,
        timeout=6 * PATIENCE,
        check=False,
    )
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "The sandbox catches mail sent to localhost:" in text
    assert "Open  http://localhost:" in text
    assert "250 2.0.0 OK, queued as" in text
    assert "delivered bob@example.org" in text
