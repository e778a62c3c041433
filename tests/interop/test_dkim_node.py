"""A whole node signs with the keys of its operator, and OpenDKIM verifies what it delivers."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.running_node import running_node

from pillarbox.cli.main import cli
from pillarbox.events.types import Event
from pillarbox.node.node import Node

CONFIGURATION = """
[node]
hostname = "mail.example.org"
directory = "{directory}/var"
[listener.in]
kind = "submission"
bind = ["127.0.0.1:0"]
trusted_networks = ["127.0.0.1"]
[route.out]
kind = "maildir"
path = "{directory}/mail/{{local}}"
recipients = ["*"]
"""
HEAD = b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\n"
BODIES = {
    "empty": b"",
    "small": b"Hi. \r\n\r\n.dot\r\n\r\n",
    "large": b"A line \t of text.\r\n" * 60_000,
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test has a folder and an environment of its own."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("PILLARBOX"):
            monkeypatch.delenv(name)
    Path("pillarbox.toml").write_text(CONFIGURATION.format(directory=tmp_path))


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, words, prog_name="pillarbox")
    assert result.exit_code == 0, result.output
    return result.stdout


def publish() -> str:
    """Put all records into a zone file, and return its path."""
    lines = run("dkim", "dns", "example.org").splitlines()
    Path("zone").write_text("\n".join(line for line in lines if not line.startswith(";")) + "\n")
    return "zone"


def submit(node: Node, name: str) -> Path:
    """Submit a message, and return the file that it was delivered into."""
    host, port = node.receiver.addresses["in"][0]
    with smtplib.SMTP(host, port) as client:
        client.sendmail(
            "ann@example.org",
            [f"{name}@example.net"],
            HEAD + BODIES[name.split("-", maxsplit=1)[0]],
        )
    deadline = time.monotonic() + 20
    folder = Path("mail") / name / "new"
    while not folder.exists() or not list(folder.iterdir()):
        assert time.monotonic() < deadline, "the message was not delivered"
        time.sleep(0.02)
    (path,) = folder.iterdir()
    return path


def opendkim_verdicts(path: Path) -> list[str]:
    """Return what OpenDKIM says of each signature of a delivered message."""
    program = shutil.which("opendkim", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("OpenDKIM is not installed: run scripts/install-peers.sh")
    records = re.findall(r"^(\S+)\. 3600 IN TXT (.*)$", Path("zone").read_text(), re.MULTILINE)
    keys = [f"{name} {''.join(text.split(chr(34))[1::2])}\n" for name, text in records]
    Path("keys").write_text("".join(keys))
    Path("opendkim.conf").write_text(
        f"Mode v\nTestPublicKeys {Path('keys').absolute()}\nRequireSafeKeys no\nSyslog no\n"
    )
    # A Maildir has the line ends of the machine; OpenDKIM reads both.
    Path("mail.eml").write_bytes(re.sub(rb"\r?\n", b"\r\n", path.read_bytes()))
    done = subprocess.run(
        [program, "-x", "opendkim.conf", "-v", "-v", "-t", "mail.eml"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    return re.findall(r"dkim=(\w+)", done.stdout.decode())


def test_a_node_signs_with_the_keys_of_its_operator(tmp_path: Path) -> None:
    """Mail of any size is signed twice from a reload on, and again after a rotation."""
    events: list[Event] = []
    with running_node(tmp_path / "pillarbox.toml", events) as node:
        assert b"DKIM-Signature" not in submit(node, "small").read_bytes()
        run("dkim", "new", "example.org")
        run("dkim", "rotate", "example.org", "--zone", publish())
        run("reload")
        for name in ("empty-1", "small-1", "large-1"):
            path = submit(node, name)
            assert path.read_bytes().count(b"DKIM-Signature:") == 2
            assert opendkim_verdicts(path) == ["pass", "pass"]
        run("dkim", "rotate", "example.org")
        run("dkim", "rotate", "example.org", "--zone", publish())
        run("reload")
        path = submit(node, "small-2")
        assert len(set(re.findall(rb"s=(pb\w+2);", path.read_bytes()))) == 2
        assert opendkim_verdicts(path) == ["pass", "pass"]
