"""What the tests with other people's programs share: certificates, and nodes between peers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from tests.loopback import own_address
from tests.node_process import SMTP_PORT, NodeProcess, relay_config
from tests.peers import PORT, Certificate, Peer

TEXT = (
    "From: Ann <ann@example.com>\r\n"
    "To: bob@example.org\r\n"
    "Subject: =?utf-8?q?f=C3=BCr_dich?=\r\n"
    "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
    "Message-ID: <1@example.com>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "X-Folded: one\r\n\ttwo\r\n  three\r\n"
    "\r\n"
    ".\r\n"
    "..two dots\r\n"
    ".one dot\r\n"
    "gr\u00fc\u00dfe, tab\t and trailing space \r\n"
    "From the start of a line\r\n"
    "\r\n"
    "\r\n"
).encode()
"""A message with what gets lost on the way: dots, 8-bit text, folds, blanks, empty lines."""


def make_certificate(folder: Path) -> Certificate:
    """Make a certificate for a server, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    issued = trustme.CA().issue_cert("peer.example", key_type=trustme.KeyType.RSA)
    chain, key = folder / "chain.pem", folder / "key.pem"
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return Certificate(chain, key)


@contextmanager
def node_to(
    directory: Path, peer: Peer, *, tls: str = "none", starttls: bool = False
) -> Iterator[NodeProcess]:
    """Run a node that passes everything on to ``peer``.

    Args:
        directory: Where the node lives.
        peer: The next server.
        tls: How the node secures its connections to it.
        starttls: Whether the node offers STARTTLS itself, with a self-signed certificate.
    """
    address = own_address()
    config = relay_config(directory, address, f"{peer.address}:{PORT}")
    config = config.replace('tls = "none"', f'tls = "{tls}"')
    if starttls:
        config = config.replace("starttls = false", "starttls = true")
    node = NodeProcess(directory, config, address, is_forked=True)
    node.start()
    try:
        asyncio.run(node.ready())
        yield node
    finally:
        node.stop()


def hop(node: NodeProcess) -> tuple[str, int]:
    """Return a node's listener as a peer's next hop."""
    return node.address, SMTP_PORT


def without_trace(stored: bytes) -> bytes:
    """Return a delivered message without what the way has put before it, with CRLF line ends."""
    wire = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    start = wire.find(b"From: Ann")
    return wire[start:] if start >= 0 else wire
