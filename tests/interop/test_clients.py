"""Other people's clients submit to a node, and Postfix gets what they sent."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.relay import TEXT, make_certificate, node_to, without_trace
from tests.node_process import SMTP_PORT, NodeProcess
from tests.peers import Peer, Postfix, require, require_peer, running


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, Peer]]:
    """Run a node that offers STARTTLS and relays to Postfix."""
    require_peer(Postfix)
    folder = tmp_path_factory.mktemp("clients")
    certificate = make_certificate(folder / "certificate")
    with (
        running(Postfix(directory=folder / "postfix", certificate=certificate)) as peer,
        node_to(folder / "node", peer, starttls=True) as node,
    ):
        yield node, peer


def new_mail(peer: Peer, marker: bytes, count: int = 1) -> list[bytes]:
    """Wait until so much mail with a marker has been delivered, and return it."""
    known = len([mail for mail in peer.delivered() if marker not in mail])
    return [mail for mail in peer.wait_for(known + count) if marker in mail]


def run(*command: str, stdin: bytes = b"") -> str:
    """Run a client and return what it said; it must not fail."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, output
    return output


def test_smtplib_sends_over_starttls(path: tuple[NodeProcess, Peer]) -> None:
    """Python's own client gets its message through, octet for octet."""
    node, peer = path
    text = TEXT.replace(b"<1@example.com>", b"<smtplib@example.com>")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(node.address, SMTP_PORT, timeout=30) as client:
        client.starttls(context=context)
        options = ["BODY=8BITMIME"]
        refused = client.sendmail("ann@example.com", ["bob@example.org"], text, options)
    assert not refused
    (mail,) = new_mail(peer, b"<smtplib@example.com>")
    assert without_trace(mail) == text


def test_smtplib_reports_each_refused_recipient(path: tuple[NodeProcess, Peer]) -> None:
    """A recipient that is no address is refused alone, and the other one gets the message."""
    node, peer = path
    with smtplib.SMTP(node.address, SMTP_PORT, timeout=30) as client:
        refused = client.sendmail(
            "ann@example.com",
            ["bob@example.org", "bob@-bad-.example"],
            b"From: ann@example.com\r\nSubject: partly\r\n\r\n",
        )
    assert list(refused) == ["bob@-bad-.example"]
    assert len(new_mail(peer, b"Subject: partly")) == 1


def test_swaks_sends_over_starttls(path: tuple[NodeProcess, Peer]) -> None:
    """Swaks upgrades, sends, and quits without a complaint."""
    require("swaks")
    node, peer = path
    output = run(
        *("swaks", "--server", node.address, "--port", str(SMTP_PORT), "--tls"),
        *("--from", "ann@example.com", "--to", "bob@example.org"),
        *("--header", "Subject: from swaks", "--body", "hello from swaks"),
    )
    assert "~> QUIT" in output
    assert "<** " not in output
    assert len(new_mail(peer, b"Subject: from swaks")) == 1


def test_swaks_pipelines(path: tuple[NodeProcess, Peer]) -> None:
    """Swaks sends the envelope in one go."""
    require("swaks")
    node, peer = path
    run(
        *("swaks", "--server", node.address, "--port", str(SMTP_PORT), "--pipeline"),
        *("--from", "ann@example.com", "--to", "bob@example.org,carol@example.org"),
        *("--header", "Subject: pipelined"),
    )
    assert len(new_mail(peer, b"Subject: pipelined", 2)) == 2


def test_curl_sends_a_file(path: tuple[NodeProcess, Peer], tmp_path: Path) -> None:
    """Curl uploads a message over STARTTLS, octet for octet."""
    require("curl")
    node, peer = path
    text = TEXT.replace(b"<1@example.com>", b"<curl@example.com>")
    file = tmp_path / "message"
    file.write_bytes(text)
    run(
        *("curl", "--silent", "--show-error", "--insecure", "--ssl-reqd"),
        *("--url", f"smtp://{node.address}:{SMTP_PORT}", "--upload-file", str(file)),
        *("--mail-from", "ann@example.com", "--mail-rcpt", "bob@example.org"),
    )
    (mail,) = new_mail(peer, b"<curl@example.com>")
    assert without_trace(mail) == text


@pytest.mark.parametrize("keeps_connections", [True, False])
def test_smtp_source_gets_all_its_messages_through(
    path: tuple[NodeProcess, Peer], *, keeps_connections: bool
) -> None:
    """Postfix's load generator finds nothing to complain of, and nothing is missing."""
    require("smtp-source")
    node, peer = path
    sender = f"load-{keeps_connections}@example.com".lower()
    run(
        *("smtp-source", "-4", "-s", "5", "-m", "100", "-l", "2000", "-f", sender),
        *("-t", "bob@example.org", *(["-d"] if keeps_connections else [])),
        f"{node.address}:{SMTP_PORT}",
    )
    assert len(new_mail(peer, sender.encode(), 100)) == 100
