"""Who may log in, as an operator and the clients of a running node know it; and no secret leaks."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import smtplib
import socket
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.forked import ForkedCommand, run_forked
from tests.receiving import Wire, user_file

from pillarbox.smtp.sasl.mechanism import ClientSetting
from pillarbox.smtp.sasl.registry import MECHANISMS

CONFIG = """
[node]
hostname = "mx.local.test"
directory = "{folder}/var"
[log]
file = "{folder}/log"
[auth]
file = "{folder}/users"
key = "a key of at least thirty-two characters"
cache_seconds = "1 s"
mechanisms = ["PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"]
[auth_source.sso]
kind = "introspection"
url = "http://127.0.0.1:1/gone"
client_id = "pillarbox"
client_secret = "canary-client-secret"
audiences = ["smtp"]
[owner.all]
senders = ["*"]
credentials = ["*"]
[listener.in]
kind = "submission"
bind = ["127.0.0.1:0"]
auth_without_tls = true
[listener.sandbox]
kind = "submission"
bind = ["127.0.0.1:0"]
auth_without_tls = true
sandbox = true
[listener.blue]
kind = "submission"
bind = ["127.0.0.1:0"]
auth_without_tls = true
projects = ["blue"]
[listener.guarded]
kind = "submission"
bind = ["127.0.0.1:0"]
[route.out]
kind = "hold"
recipients = ["*"]
"""
MESSAGE = b"From: ann@local.test\r\nTo: carol@third.test\r\n\r\nHello\r\n"


class Served:
    """A node that was started by the command line, and commands to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "pillarbox.toml"
        self.config.write_text(CONFIG.format(folder=folder))
        self.config.chmod(0o600)
        user_file(folder, **{"file@local.test": "canary of the file"})
        self.said = ""  # by all commands
        self.wires: list[Wire] = []
        self._clients = itertools.count(2)
        with (folder / "stderr").open("wb") as stderr:
            words = ("serve", "-c", str(self.config))
            self.process = ForkedCommand(words, stdout=stderr, stderr=stderr)

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Return what the log has, of one kind or all."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in found if not name or each["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until there are so many events of a kind."""
        deadline = time.monotonic() + 20.0
        while len(found := self.events(name)) < count:
            assert time.monotonic() < deadline, f"no {count} {name}"
            assert self.process.poll() is None, (self.folder / "stderr").read_text()
            time.sleep(0.02)
        return found

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command."""
        environment = {**os.environ, "COLUMNS": "200"}
        done = run_forked("-c", str(self.config), *words, given=stdin, env=environment)
        self.said += done.stdout + done.stderr
        return done

    def issue(self, *words: str, stdin: str = "") -> str:
        """Add or rotate a credential; return the secret, which is not remembered as said."""
        before = self.said
        done = self.run("credential", *words, "--json", stdin=stdin)
        self.said = before
        assert done.returncode == 0, done.stderr
        secret: str = json.loads(done.stdout)["secret"]
        return secret

    def port(self, listener: str) -> int:
        """Return where a listener listens."""
        (event,) = [e for e in self.events("listener.started") if e["listener"] == listener]
        return int(str(event["address"]).rpartition(":")[2])

    def wire(self, listener: str = "in", helo: str = "web-3") -> Wire:
        """Connect from an address of its own, as guessing is slowed down, and say EHLO."""
        source = (f"127.0.1.{next(self._clients)}", 0)
        address = ("127.0.0.1", self.port(listener))
        wire = Wire(socket.create_connection(address, timeout=20, source_address=source))
        self.wires.append(wire)
        wire.reply()
        wire.ask(f"EHLO {helo}")
        return wire


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Start a node."""
    started = Served(tmp_path_factory.mktemp("node"))
    try:
        started.wait_for("node.started")
        yield started
    finally:
        started.process.terminate()
        assert started.process.wait(30) == 0


@pytest.fixture
def served(node: Served) -> Iterator[Served]:
    """Use the node, and hang up afterwards."""
    yield node
    while node.wires:
        node.wires.pop().sock.close()


def coded(*parts: str) -> str:
    """Return a response in base64."""
    return b64encode("\0".join(parts).encode()).decode()


def plain(wire: Wire, user: str, password: str) -> str:
    """Log in by PLAIN; return the reply."""
    return wire.ask(f"AUTH PLAIN {coded('', user, password)}")


def by_mechanism(wire: Wire, name: str, user: str, secret: str) -> str:
    """Log in by any mechanism, with our own client's side of it; return the last reply."""
    setting = ClientSetting(
        user=user, password=secret, token=secret, nonce=secrets.token_hex(8), host="mx.local.test"
    )
    machine = MECHANISMS[name].client(setting)
    first = machine.initial_response()
    command = f"AUTH {name}"
    if first is not None:
        command += f" {b64encode(first).decode()}"
    reply = wire.ask(command)
    while reply.startswith("334"):
        response = machine.respond(b64decode(reply[4:]))
        reply = wire.ask(b64encode(response).decode())
    return reply


def test_a_key_works_from_its_making_to_its_end(served: Served) -> None:
    """Added, listed, used, rotated with an overlap, revoked in an open session, explained."""
    key = served.issue("add", "shop", "--sender", "@local.test", "--project", "blue")
    assert key.startswith("pb_")
    with smtplib.SMTP("127.0.0.1", served.port("in"), timeout=20) as client:
        client.login("apikey", key)
        client.sendmail("ann@local.test", "carol@third.test", MESSAGE)
    (row,) = [
        json.loads(line)
        for line in served.run("credential", "list", "--json").stdout.splitlines()
        if '"shop"' in line
    ]
    assert row["last_used_from"] == "127.0.0.1"
    assert row["secrets"][0]["prefix"] == key[:11]

    newer = served.issue("rotate", "shop", "--overlap", "1 h")
    wire = served.wire()
    assert plain(wire, "apikey", key).startswith("235")
    assert plain(served.wire(), "shop", newer).startswith("235")
    assert wire.ask("MAIL FROM:<ann@local.test>").startswith("250")
    assert wire.ask("RSET").startswith("250")
    assert served.run("credential", "revoke", "shop").returncode == 0
    assert wire.ask("MAIL FROM:<ann@local.test>").startswith("421 4.7.0")
    assert wire.rest() == b""

    refused = len(served.events("auth.refused"))
    assert plain(served.wire(), "apikey", newer) == "535 5.7.8 Authentication credentials invalid"
    event = served.wait_for("auth.refused", refused + 1)[-1]
    assert (event["cause"], event["credential"]) == ("revoked", "shop")
    told = served.run("credential", "test", "apikey", stdin=f"{newer}\n")
    assert told.returncode == 1
    assert "the credential was revoked (`shop`)" in told.stdout
    listed = served.run("credential", "list", "--all").stdout
    assert "revoked" in listed
    assert "shop" not in served.run("credential", "list").stdout


def test_a_listener_may_be_for_some_only(served: Served) -> None:
    """A project's listener and the sandbox's keep others out, with a reason for the operator."""
    refused = len(served.events("auth.refused"))
    blue = served.issue("add", "blue-app", "--project", "blue")
    test = served.issue("add", "test-app", "--sandbox")
    for listener, key, code in (
        ("blue", blue, "235"),
        ("blue", test, "535"),
        ("sandbox", test, "235"),
        ("sandbox", blue, "535"),
    ):
        assert plain(served.wire(listener, helo="apps"), "apikey", key).startswith(code)
    served.wait_for("auth.refused", refused + 2)
    causes = [each["cause"] for each in served.events("auth.refused") if each["helo"] == "apps"]
    assert causes == ["other_project", "live_credential"]


def test_failures_are_told_by_program(served: Served) -> None:
    """`auth failures` says who fails since when, how long after what, and ends with status 1."""
    key = served.issue("add", "billing")
    served.issue("rotate", "billing")
    refused = len(served.events("auth.refused"))
    wire = served.wire(helo="billing-1")
    for _ in range(3):
        assert plain(wire, "apikey", key).startswith("535")
    served.wait_for("auth.refused", refused + 3)
    done = served.run("auth", "failures")
    assert done.returncode == 1
    assert "billing-1 has failed 3 times since " in done.stdout
    assert "after `billing` was rotated" in done.stdout
    rows = [
        json.loads(line) for line in served.run("auth", "failures", "--json").stdout.splitlines()
    ]
    (row,) = [each for each in rows if each["helo"] == "billing-1"]
    assert row["causes"] == {"former_secret": 3}
    assert row["mechanisms"] == ["PLAIN"]


def test_mistakes_of_commands_are_explained(served: Served) -> None:
    """A name that is taken or unknown, and a password that is not one, are usage, not defects."""
    served.issue("add", "taken")
    for words, said in (
        (("add", "taken"), "there is a credential"),
        (("rotate", "nobody"), "no credential 'nobody'"),
        (("revoke", "nobody"), "no credential 'nobody'"),
        (("add", "x", "--sender", "@@"), "@@"),
        (("add", "apikey"), "take another name"),
    ):
        done = served.run("credential", *words)
        assert done.returncode == 1
        assert said in done.stderr
    assert served.run("credential", "add", "x", "--kind", "key", "--ask").returncode == 2
    assert not served.events("node.defect")


def test_a_secret_is_nowhere_but_in_its_one_answer(served: Served) -> None:
    """Through success and failure of every mechanism, no log, answer or file holds a canary."""
    password = "canary of the password 1"
    key = served.issue("add", "canary-key")
    served.issue("add", "canary", "--ask", "--scram", "--reversible", stdin=f"{password}\n")
    token = "eyJjYW5hcnkiOjF9.eyJjYW5hcnkiOjF9.canaryToken"
    user = "canary"
    for name in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"):
        assert by_mechanism(served.wire(), name, user, password).startswith("235"), name
        assert by_mechanism(served.wire(), name, user, password + "x")[:3] in {"535", "421"}, name
        assert by_mechanism(served.wire(), name, "nobody", password)[:3] in {"535", "421"}, name
    for name in ("OAUTHBEARER", "XOAUTH2"):
        assert by_mechanism(served.wire(), name, user, token).startswith("454"), name
    attempts = [
        (password, user),
        (password, password),
        (f"{user}:{password}", "x"),
        (key, key),
        (key, "x"),
        (user, key),
        ("apikey", f" {key}"),
        (coded(user), coded(password)),
        (coded("", user, password), "x"),
        ("file@local.test", "canary of the file"),
        ("FILE@local.test", "canary of the file\n"),
        (token, token),
    ]
    for login in attempts:
        plain(served.wire(helo="canaries"), *login)
    wire = served.wire()
    for line in (
        f"AUTH PLAIN {coded(coded('', user, password))}",
        f"AUTH {password.replace(' ', '-')}",
        f"AUTH PLAIN {password}",
        f"AUTH LOGIN {password}",
        f"AUTH {coded('', user, password)}",
    ):
        wire.ask(line)
    guarded = served.wire("guarded")
    guarded.ask(f"AUTH PLAIN {coded('', user, password)}")
    time.sleep(1.5)  # for what is looked into after the answer
    places = look_everywhere(served, user, password)
    clear = [password, key, key.rpartition("_")[2], token, "canaryToken", "canary of the file"]
    clear += ["canary-client-secret", password.replace(" ", "-")]
    hidden = [coded(each).rstrip("=") for each in clear]
    hidden += [coded("", user, password).rstrip("="), coded(user, password).rstrip("=")]
    found = {
        (canary, place)
        for canary in (*clear, *hidden)
        for place, octets in places.items()
        if canary.casefold().encode() in octets.lower()
    }
    assert not found
    assert not served.events("node.defect")


def look_everywhere(served: Served, user: str, password: str) -> dict[str, bytes]:
    """Return all that a node and its commands have said, and all that it keeps."""
    served.run("credential", "test", user, stdin=f"{password}\n")
    served.run("credential", "test", user, stdin=f"{password} \n")
    for words in (
        ("credential", "list", "--all"),
        ("credential", "list", "--json"),
        ("auth", "failures"),
        ("auth", "failures", "--json"),
        ("status", "--json"),
        ("log", "carol@third.test"),
        ("config", "show"),
        ("queue", "list", "--json"),
    ):
        served.run(*words)
    places = {"what commands have said": served.said.encode()}
    kept = [path for path in (served.folder / "var").iterdir() if path.is_file()]
    for path in (served.folder / "log", served.folder / "stderr", *kept):
        places[path.name] = path.read_bytes()
    assert any(name.endswith(".db") for name in places)
    return places
