"""Other people's mail servers send to us and receive from us."""

from __future__ import annotations

import re
import smtplib
from pathlib import Path

import pytest
from tests.interop.relay import TEXT, hop, make_certificate, node_to, without_trace
from tests.node_process import SMTP_PORT
from tests.peers import PEERS, PORT, Exim, Peer, Postfix, require_peer, running


def submit(address: str, port: int, text: bytes = TEXT) -> None:
    """Hand a message to a server."""
    with smtplib.SMTP(address, port, timeout=30) as client:
        client.sendmail("ann@example.com", ["bob@example.org"], text, ["BODY=8BITMIME"])


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_a_server_receives_from_us(kind: type[Peer], tmp_path: Path) -> None:
    """What we relay arrives at the peer as it was submitted."""
    require_peer(kind)
    with (
        running(kind(directory=tmp_path / "peer")) as peer,
        node_to(tmp_path / "node", peer) as node,
    ):
        submit(node.address, SMTP_PORT)
        (mail,) = peer.wait_for(1)
    assert without_trace(mail) == TEXT


# OpenSMTPD 6.8 as Debian built it cannot use its private key with OpenSSL 3, whoever asks.
@pytest.mark.parametrize("kind", [Postfix, Exim], ids=lambda kind: kind.name)
def test_a_server_receives_from_us_over_starttls(kind: type[Peer], tmp_path: Path) -> None:
    """Where the peer offers STARTTLS, the message travels encrypted."""
    require_peer(kind)
    certificate = make_certificate(tmp_path / "certificate")
    with (
        running(kind(directory=tmp_path / "peer", certificate=certificate)) as peer,
        node_to(tmp_path / "node", peer, tls="may") as node,
    ):
        submit(node.address, SMTP_PORT)
        (mail,) = peer.wait_for(1)
        log = peer.log
    assert without_trace(mail) == TEXT
    assert re.search(r"TLS connection established from|P=esmtps", log)


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_a_server_sends_to_us_over_starttls(kind: type[Peer], tmp_path: Path) -> None:
    """The peer upgrades the connection to us, and its message goes on to Postfix."""
    require_peer(kind)
    require_peer(Postfix)
    certificate = make_certificate(tmp_path / "certificate")
    with (
        running(Postfix(directory=tmp_path / "last")) as last,
        node_to(tmp_path / "node", last, starttls=True) as node,
        running(
            kind(directory=tmp_path / "first", next_hop=hop(node), certificate=certificate)
        ) as first,
    ):
        submit(first.address, PORT)
        (mail,) = last.wait_for(1)
    assert without_trace(mail) == TEXT
    trace = mail[: mail.find(b"From: Ann")].decode()
    assert re.search(r"by node\.example[^;]*with (UTF8)?E?SMTPS", trace), trace


def test_through_postfix_and_us_and_postfix_nothing_changes(tmp_path: Path) -> None:
    """Postfix > pillarbox > Postfix: byte-identical but for trace headers."""
    require_peer(Postfix)
    certificate = make_certificate(tmp_path / "certificate")
    with (
        running(Postfix(directory=tmp_path / "last", certificate=certificate)) as last,
        node_to(tmp_path / "node", last, tls="may", starttls=True) as node,
        running(
            Postfix(directory=tmp_path / "first", next_hop=hop(node), certificate=certificate)
        ) as first,
    ):
        submit(first.address, PORT)
        (mail,) = last.wait_for(1)
    assert without_trace(mail) == TEXT
    trace = mail[: mail.find(b"From: Ann")]
    assert trace.count(b"Received: ") == 3
    names = {line.partition(b":")[0] for line in trace.splitlines() if line[:1] not in b" \t"}
    assert names <= {b"Received", b"Return-Path", b"X-Original-To", b"Delivered-To"}


def test_a_refusal_of_the_next_server_comes_back_to_the_sender(tmp_path: Path) -> None:
    """A recipient that Postfix refuses becomes a notification that Postfix delivers."""
    require_peer(Postfix)
    settings = "smtpd_recipient_restrictions = check_recipient_access inline:{nobody@example.org=REJECT}, permit_mynetworks, reject\n"
    with (
        running(Postfix(directory=tmp_path / "last", settings=settings)) as last,
        node_to(tmp_path / "node", last) as node,
    ):
        with smtplib.SMTP(node.address, SMTP_PORT, timeout=30) as client:
            client.sendmail(
                "ann@example.com",
                ["nobody@example.org"],
                b"From: ann@example.com\r\nSubject: lost\r\n\r\n",
            )
        (mail,) = last.wait_for(1)
    assert b"Content-Type: multipart/report; report-type=delivery-status" in re.sub(
        rb"\n[ \t]+", b" ", mail
    )
    assert b"Final-Recipient: rfc822; nobody@example.org" in mail
    assert b"Action: failed" in mail
    assert b"Status: 5.7.1" in mail
