"""Clients log in to a real node, with a credential that was made by the command line."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.relay import TEXT
from tests.loopback import own_address
from tests.node_process import SMTP_PORT, NodeProcess
from tests.peers import PORT, Postfix, require, require_peer, running
from tests.scripted_server import dial, hang_up, message

from pillarbox.config.settings import TlsMode
from pillarbox.net.channel import OpenFailed
from pillarbox.net.endpoint import Endpoint

CONTENT = b"From: Ann <a@a.example>\r\nSubject: hi\r\n\r\nHello.\r\n"
PASSWORDS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"]
_CONFIG = """
[node]
hostname = "node.example"
directory = "{directory}"

[auth]
mechanisms = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"]
key = "a key of the tests, of thirty-two characters"

[listener.in]
kind = "submission"
bind = ["{address}:{port}"]

[route.nowhere]
kind = "discard"
recipients = ["*"]
"""


@dataclass(frozen=True)
class Target:
    """A node, and who may log in."""

    node: NodeProcess
    user: str
    secret: str


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A node with one credential that has all forms."""
    folder = tmp_path_factory.mktemp("sasl-node")
    address = own_address()
    config = _CONFIG.format(directory=folder / "data", address=address, port=SMTP_PORT)
    node = NodeProcess(folder, config, address, is_forked=True)
    node.start()
    try:
        asyncio.run(node.ready())
        command = [sys.executable, "-m", "pillarbox", "--config", str(folder / "node.toml")]
        command += ["credential", "add", "shop", "--scram", "--reversible", "--json"]
        made = run(*command, "--sender", "@example.com", "--sender", "@a.example")
        secret = json.loads(made.splitlines()[0])["secret"]
        yield Target(node, "shop", secret)
    finally:
        node.stop()


def run(*command: str) -> str:
    """Run a program and return what it said; it must not fail."""
    done = subprocess.run(
        command, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, output
    return done.stdout.decode()


def submit(target: Target, name: str, password: str) -> list[str]:
    """Log in by our own client, and send a message."""

    async def main() -> list[str]:
        endpoint = Endpoint("node.example", target.node.address, SMTP_PORT)
        channel = await dial(
            endpoint,
            tls=TlsMode.OPPORTUNISTIC,  # the node's certificate is its own
            user=target.user,
            password=password,
            mechanisms=frozenset({name}),
        )
        result = await channel.transact(message("bob@example.org", content=CONTENT))
        await hang_up(channel)
        assert [outcome.is_delivered for outcome in result.outcomes] == [True], result
        return list(channel.opening)

    return asyncio.run(main())


@pytest.mark.parametrize("name", PASSWORDS)
def test_we_log_in_to_ourselves(name: str, target: Target) -> None:
    """By each mechanism for passwords, channel binding to the node's certificate included."""
    said = submit(target, name, target.secret)
    assert any(line.startswith(f"> AUTH {name}") for line in said)


@pytest.mark.parametrize("name", ["SCRAM-SHA-256-PLUS", "CRAM-MD5", "PLAIN"])
def test_a_wrong_secret_is_refused_alike(name: str, target: Target) -> None:
    """By mechanisms of each kind, with the same words; few, since each takes longer."""
    with pytest.raises(OpenFailed, match=r"535 5\.7\.8 Authentication credentials invalid$"):
        submit(target, name, "wrong")


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN"])
def test_smtplib_and_swaks_log_in(name: str, target: Target) -> None:
    """By all that they know."""
    require("swaks")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(target.node.address, SMTP_PORT, timeout=30) as client:
        client.starttls(context=context)
        client.ehlo()
        client.user, client.password = target.user, target.secret
        client.auth(name, getattr(client, "auth_" + name.lower().replace("-", "_")))
        client.sendmail("ann@example.com", ["bob@example.org"], TEXT, ["BODY=8BITMIME"])
    command = ["swaks", "--server", target.node.address, "--port", str(SMTP_PORT), "--tls"]
    command += ["--auth", name, "--auth-user", target.user, "--auth-password", target.secret]
    run(*command, "--from", "ann@example.com", "--to", "bob@example.org")


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_postfix_logs_in(name: str, target: Target, tmp_path: Path) -> None:
    """Postfix with Cyrus SASL passes its mail on through the node."""
    require_peer(Postfix)
    settings = f"""
smtp_tls_security_level = encrypt
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = static:{target.user}:{target.secret}
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = {name}
"""
    hop = (target.node.address, SMTP_PORT)
    with running(Postfix(directory=tmp_path / "postfix", next_hop=hop, settings=settings)) as peer:
        with smtplib.SMTP(peer.address, PORT, timeout=30) as client:
            client.sendmail("ann@example.com", ["bob@example.org"], TEXT, ["BODY=8BITMIME"])
        end = time.monotonic() + 20
        while "status=" not in peer.log and time.monotonic() < end:
            time.sleep(0.02)
        assert "status=sent (250 2.0.0" in peer.log, peer.log
