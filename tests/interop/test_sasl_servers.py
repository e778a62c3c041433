"""Our client logs in to Postfix, by what Dovecot's SASL and Cyrus SASL know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from tests.interop.dovecot import dovecot_sasl, token
from tests.peers import PORT, Certificate, Peer, Postfix, require, require_root, running
from tests.scripted_server import dial, hang_up, message

from pillarbox.config.settings import TlsMode
from pillarbox.net.channel import OpenFailed
from pillarbox.net.endpoint import Endpoint
from pillarbox.net.tokens import FileToken
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret

USER, PASSWORD = "ann", "correct horse"
_SASL = """
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {path}
smtpd_sasl_security_options = noanonymous
smtpd_tls_auth_only = yes
smtpd_client_restrictions = permit_sasl_authenticated, reject
"""


@dataclass(frozen=True)
class Relay:
    """A Postfix that takes mail from who has logged in."""

    peer: Peer
    authority: Path


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """Postfix with Dovecot's SASL."""
    require("postfix", "dovecot")
    require_root("start Postfix")
    folder = tmp_path_factory.mktemp("sasl")
    authority = trustme.CA()
    issued = authority.issue_cert("relay.test", key_type=trustme.KeyType.RSA)
    certificate = Certificate(folder / "chain.pem", folder / "key.pem")
    certificate.key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(certificate.key)
    certificate.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    dovecot = folder / "dovecot"
    dovecot.mkdir()
    with dovecot_sasl(dovecot, {USER: PASSWORD}) as path:
        settings = _SASL.format(path=path)
        peer = Postfix(directory=folder / "postfix", certificate=certificate, settings=settings)
        with running(peer):
            yield Relay(peer, folder / "ca.pem")


def deliver(relay: Relay, **terms: object) -> list[str]:
    """Send a message with a login; return what was said before it."""

    async def main() -> list[str]:
        endpoint = Endpoint("relay.test", relay.peer.address, PORT)
        channel = await dial(
            endpoint, tls=TlsMode.STARTTLS, tls_ca=relay.authority, user=USER, **terms
        )
        result = await channel.transact(message("bob@example.org"))
        await hang_up(channel)
        assert [outcome.is_delivered for outcome in result.outcomes] == [True]
        return list(channel.opening)

    return asyncio.run(main())


@pytest.mark.parametrize("name", [name for name in MECHANISMS if not name.endswith("-PLUS")])
def test_we_log_in_to_postfix_with_dovecot(name: str, relay: Relay, tmp_path: Path) -> None:
    """By every mechanism that Dovecot 2.3 has of ours, and the message goes through."""
    is_token = MECHANISMS[name].secret is Secret.TOKEN
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(token(USER))
    said = deliver(
        relay,
        password="" if is_token else PASSWORD,
        token=FileToken(tmp_path / "token") if is_token else None,
        mechanisms=frozenset({name}),
    )
    assert any(line.startswith(f"> AUTH {name}") for line in said), said


def test_we_choose_scram_with_dovecot(relay: Relay) -> None:
    """Of all that Dovecot offers the best is taken unasked."""
    assert "> AUTH SCRAM-SHA-256 ***" in deliver(relay, password=PASSWORD)


@pytest.mark.parametrize("name", ["PLAIN", "SCRAM-SHA-256", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"])
def test_dovecots_refusal_is_told(name: str, relay: Relay, tmp_path: Path) -> None:
    """A wrong password or token fails at the login with the server's words."""
    is_token = MECHANISMS[name].secret is Secret.TOKEN
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(token(USER, seconds=-60))
    with pytest.raises(OpenFailed, match="535") as caught:
        deliver(
            relay,
            password="" if is_token else "wrong",
            token=FileToken(tmp_path / "token") if is_token else None,
            mechanisms=frozenset({name}),
        )
    assert caught.value.stage is Stage.AUTH
