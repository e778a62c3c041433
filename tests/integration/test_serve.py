"""``pillarbox serve`` as an operator knows it: signals, the service manager, the exit status."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from tests.forked import ForkedCommand, run_forked

T = TypeVar("T")

CONFIG = """
[node]
hostname = "mail.example.org"
directory = "{folder}/var"
[listener.in]
kind = "submission"
bind = ["127.0.0.1:0"]
trusted_networks = ["127.0.0.1"]
[route.out]
kind = "hold"
recipients = ["*"]
{more}
"""


class Served:
    """A node that was started by the command line."""

    def __init__(self, folder: Path, more: str = "", **environ: str) -> None:
        self.folder = folder
        self.config = folder / "pillarbox.toml"
        self.write(more)
        self.log = folder / "stderr"
        with self.log.open("ab") as log:
            words = ("serve", "-c", str(self.config))
            self.process = ForkedCommand(words, stdout=log, stderr=log, env=os.environ | environ)

    def write(self, more: str) -> None:
        self.config.write_text(CONFIG.format(folder=self.folder, more=more))

    def events(self) -> list[dict[str, object]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_for(self, name: str) -> dict[str, object]:
        return wait(lambda: next((e for e in self.events() if e["event"] == name), None))

    @property
    def port(self) -> int:
        return int(str(self.wait_for("listener.started")["address"]).rpartition(":")[2])

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_forked("-c", str(self.config), *words)

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait(20)


def wait(look: Callable[[], T | None], seconds: float = 20.0) -> T:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    node = Served(tmp_path)
    try:
        node.wait_for("node.started")
        yield node
    finally:
        node.end()


def test_it_serves_and_stops_cleanly(served: Served) -> None:
    """Mail goes in, commands see it, SIGTERM ends with status 0, and the queue is still there."""
    with smtplib.SMTP("127.0.0.1", served.port, timeout=10) as client:
        message = "From: a@example.org\r\n\r\nhi\r\n"
        client.sendmail("a@example.org", ["b@example.net"], message)
    row = json.loads(served.run("status", "--json").stdout)
    assert row["is_running"]
    assert row["pid"] == served.process.pid
    assert row["accepted"] == 1
    listed = json.loads(served.run("queue", "list", "--json").stdout)
    assert listed["recipients"][0]["address"] == "b@example.net"

    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(20) == 0
    assert served.events()[-1]["event"] == "node.stopped"
    assert not (served.folder / "var" / "control").exists()
    stopped = json.loads(served.run("queue", "list", "--json").stdout)
    assert stopped["message"] == listed["message"]


def test_stop_waits_until_it_has_stopped(served: Served) -> None:
    """`pillarbox stop` returns when the store is free again."""
    done = served.run("stop")
    assert (done.returncode, done.stderr) == (0, "Stopped.\n")
    assert served.process.wait(5) == 0


def test_a_second_node_is_refused(served: Served) -> None:
    """Two processes never have the same store."""
    second = served.run("serve")
    assert second.returncode == 1
    assert "in use by process" in second.stderr
    assert served.process.poll() is None


def test_hangup_reads_again_and_keeps_what_works(served: Served) -> None:
    """A new value is taken; a mistake is told in the log and changes nothing."""
    served.write("[limits]\nrecipients = 200\n")
    served.process.send_signal(signal.SIGHUP)
    assert served.wait_for("configuration.reloaded")["changed"]
    served.write("[limits]\nrecipients = 5\n")
    done = served.run("reload")
    assert done.returncode == 1
    assert "limits.recipients is 5" in done.stderr
    wait(
        lambda: (
            any("limits.recipients is 5" in str(e.get("error")) for e in served.events()) or None
        )
    )
    assert served.run("status").returncode == 0


def test_new_routes_are_in_force_without_a_restart(served: Served) -> None:
    """A hangup takes routes, queue and delivery over: mail goes by them at once."""
    text = served.config.read_text().replace('kind = "hold"', 'kind = "discard"')
    served.config.write_text(f"{text}[queue]\nlifetime = '3 d'\n[delivery]\nconnections = 7\n")
    served.process.send_signal(signal.SIGHUP)
    changed = str(served.wait_for("configuration.reloaded")["changed"])
    keys = ("route.out.kind", "queue.lifetime", "delivery.connections")
    assert all(f"{key}: in force" in changed for key in keys)
    with smtplib.SMTP("127.0.0.1", served.port, timeout=10) as client:
        client.sendmail("a@example.org", ["b@example.net"], "From: a@example.org\r\n\r\nhi\r\n")
    assert served.wait_for("recipient.delivered")["host"] == "discard"


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    """READY comes when mail can be sent, STOPPING when it cannot any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        node = Served(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"))
        try:
            assert manager.recv(100) == b"READY=1"
            socket.create_connection(("127.0.0.1", node.port), 5).close()
            node.process.send_signal(signal.SIGHUP)
            assert [manager.recv(100), manager.recv(100)] == [b"RELOADING=1", b"READY=1"]
            node.process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert node.process.wait(20) == 0
        finally:
            node.end()


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    """A port in use is named; exit status 1, no socket, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        more = f"[listener.b]\nkind='submission'\nbind=['127.0.0.1:{port}']\n"
        node = Served(tmp_path, more + "trusted_networks=['127.0.0.1']\n")
        assert node.process.wait(20) == 1
    text = node.log.read_text()
    assert f"127.0.0.1:{port}" in text
    assert "Traceback" not in text
    assert not (tmp_path / "var" / "control").exists()


def test_files_are_private(served: Served) -> None:
    """Nobody else can look into the node's directory, whatever the umask was."""
    folder = served.folder / "var"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_text_log_is_for_people(tmp_path: Path) -> None:
    """log.format and log.file are obeyed."""
    path = tmp_path / "log"
    node = Served(tmp_path, f"[log]\nformat = 'text'\nfile = '{path}'\n")
    try:
        line = wait(
            lambda: next((e for e in lines_of(path) if " node.started " in e), None),
        )
        assert line.endswith("Z node.started node=main", 0, line.index(" version="))
    finally:
        node.end()
    assert node.log.read_text() == ""


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
