"""Other people's mail servers take what a sandbox releases."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import trustme
from tests.peers import PEERS, PORT, Certificate, Peer, Postfix, require_peer, running

from pillarbox.config.settings import SandboxReleaseSettings, SandboxSettings, Settings
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox.release import RelayUnavailable, Released

MAIL = (
    b"From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nBcc: eve@example.net\r\n"
    b"Message-ID: <one@example.com>\r\nSubject: hello\r\n\r\n.dot\r\nbody\r\n"
)


def released(relay: str, recipient: str = "bob@example.org") -> Released:
    """Have a sandbox catch a mail and release it by a relay."""

    async def main() -> Released:
        settings = Settings(
            sandbox=SandboxSettings(smtp=("localhost:0",), http=(), pop3=()),
            sandbox_release=SandboxReleaseSettings(relay=relay, recipients=("@example.org",)),
        )
        node = SandboxNode(settings)
        await node.start()
        try:
            mail = await node.sandbox.ingest(MAIL)
            return await node.sandbox.release(mail, [recipient])
        finally:
            await node.stop()

    return asyncio.run(main())


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_a_server_takes_released_mail(kind: type[Peer], tmp_path: Path) -> None:
    """It arrives with its Message-ID and without Bcc, and the reply is the server's."""
    require_peer(kind)
    with running(kind(directory=tmp_path / "peer")) as peer:
        came = released(f"smtp://{peer.address}:{PORT}?tls=never")
        (mail,) = peer.wait_for(1)
    assert came.recipients[0].reply.startswith("250")
    assert b"Message-ID: <one@example.com>" in mail
    assert b"\n\n.dot\nbody\n" in mail
    assert b"eve@example.net" not in mail


def test_postfix_takes_released_mail_over_verified_tls(tmp_path: Path) -> None:
    """With the authority of the URL; without it nothing is sent."""
    require_peer(Postfix)
    authority = trustme.CA()
    issued = authority.issue_cert("peer.example", key_type=trustme.KeyType.RSA)
    certificate = Certificate(tmp_path / "chain.pem", tmp_path / "key.pem")
    certificate.key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(str(certificate.key))
    issued.cert_chain_pems[0].write_to_path(str(certificate.chain))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with running(Postfix(directory=tmp_path / "peer", certificate=certificate)) as peer:
        url = f"smtp+starttls://{peer.address}:{PORT}?servername=peer.example"
        with pytest.raises(RelayUnavailable, match="certificate not valid"):
            released(url)
        released(f"{url}&ca={tmp_path / 'ca.pem'}")
        peer.wait_for(1)
        assert "TLS connection established from" in peer.log
