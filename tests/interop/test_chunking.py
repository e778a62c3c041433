"""Chunks (BDAT, RFC 3030) between us and servers that speak them: Postfix takes, Exim does both."""

from __future__ import annotations

import re
import smtplib
from pathlib import Path

import pytest
from tests.interop.relay import TEXT, hop, node_to, without_trace
from tests.node_process import SMTP_PORT
from tests.peers import PORT, Exim, Peer, Postfix, require_peer, running

# What would end or change a content that is searched for dots and line ends.
DOTS = b"\r\n.\r\n..\r\n.x\r\n"
LARGE = TEXT + b"".join(b"%07d %s" % (number, DOTS) for number in range(20_000))


def submit(address: str, port: int, text: bytes) -> None:
    """Hand a message to a server."""
    with smtplib.SMTP(address, port, timeout=30) as client:
        client.sendmail("ann@example.com", ["bob@example.org"], text, ["BODY=8BITMIME"])


@pytest.mark.parametrize("text", [TEXT, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("kind", [Postfix, Exim], ids=lambda kind: kind.name)
def test_what_we_send_in_chunks_arrives_whole(
    kind: type[Peer], text: bytes, tmp_path: Path
) -> None:
    """A server that offers CHUNKING gets the message by BDAT, in one chunk or in several."""
    require_peer(kind)
    with (
        running(kind(directory=tmp_path / "peer")) as peer,
        node_to(tmp_path / "node", peer) as node,
    ):
        submit(node.address, SMTP_PORT, text)
        (mail,) = peer.wait_for(1)
    assert without_trace(mail) == text
    chunks = len(re.findall(r'"> BDAT \d+', node.output))
    assert chunks > 1 if text is LARGE else chunks == 1
    assert '"> DATA"' not in node.output


@pytest.mark.parametrize("text", [TEXT, LARGE], ids=["small", "large"])
def test_what_exim_sends_in_chunks_arrives_whole(text: bytes, tmp_path: Path) -> None:
    """Exim uses BDAT where we offer it, and nothing in a chunk is taken for its end."""
    require_peer(Exim)
    require_peer(Postfix)
    with (
        running(Postfix(directory=tmp_path / "last")) as last,
        node_to(tmp_path / "node", last) as node,
        running(Exim(directory=tmp_path / "first", next_hop=hop(node))) as first,
    ):
        submit(first.address, PORT, text)
        (mail,) = last.wait_for(1)
        log = first.log
    assert without_trace(mail) == text
    assert re.search(r"=> bob@example\.org .* K ", log), log  # its mark for CHUNKING
