"""Our client logs in: over real sockets and real TLS, to servers that are good and bad."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from tests.scripted_server import Script, dial, hang_up, serve

from pillarbox.config.settings import TlsMode
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer
from pillarbox.net.channel import OpenFailed
from pillarbox.net.channel_binding import server_end_point
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.tokens import FileToken
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret

Run = Callable[[Coroutine[Any, Any, None]], None]
USER, PASSWORD, TOKEN = "ann", "correct horse gr\u00fc\u00dfe", "ya29.token"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test on both event loops."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main)

    return run


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def lab_server(authority: trustme.CA | None, *mechanisms: str) -> LabServer:
    """Make a server on which Ann may log in."""
    server = LabServer(
        "mx.test",
        options=ServerOptions(
            hostname="mx.test", auth_mechanisms=mechanisms, new_nonce=lambda: "nonce"
        ),
        logins=LabLogins({USER: PASSWORD}, {USER: TOKEN}),
    )
    if authority is not None:
        leaf = authority.issue_cert("mx.test")
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(server.tls)
        certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
        server.channel_binding = server_end_point(certificate.public_bytes(Encoding.DER))
    return server


async def log_in(server: LabServer, **terms: object) -> list[str]:
    """Open a channel and close it; return what was said before the first message."""
    await server.start()
    try:
        endpoint = Endpoint("mx.test", "127.0.0.1", server.port)
        channel = await dial(endpoint, user=USER, **terms)
        said = list(channel.opening)
        await hang_up(channel)
    finally:
        await server.stop()
    return said


@pytest.mark.parametrize("name", MECHANISMS)
def test_the_client_logs_in_by_each_mechanism(
    name: str, authority: trustme.CA, trusted: Path, tmp_path: Path, run: Run
) -> None:
    """Over STARTTLS, by every mechanism there is; what is secret is in no conversation."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    is_token = MECHANISMS[name].secret is Secret.TOKEN

    async def main() -> None:
        server = lab_server(authority, name)
        said = await log_in(
            server,
            tls=TlsMode.STARTTLS,
            tls_ca=trusted,
            password="" if is_token else PASSWORD,
            token=FileToken(token) if is_token else None,
        )
        assert any(line.startswith(f"> AUTH {name}") for line in said)
        assert "< 235 2.7.0 Authentication successful" in said
        assert server.logins is not None
        assert [claim.identity for claim in server.logins.claims] == [USER]
        everything = "\n".join(said)
        for secret in (PASSWORD, TOKEN, b64encode(PASSWORD.encode()).decode(), "cGVuY2ls"):
            assert secret not in everything

    run(main())


def test_the_best_mechanism_is_taken(authority: trustme.CA, trusted: Path, run: Run) -> None:
    """Channel binding before SCRAM alone, SCRAM before CRAM-MD5, and that before a password."""
    names = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"]

    async def main() -> None:
        for start, best in enumerate(names):
            said = await log_in(
                lab_server(authority, *reversed(names[start:])),
                tls=TlsMode.STARTTLS,
                tls_ca=trusted,
                password=PASSWORD,
            )
            assert any(line.startswith(f"> AUTH {best} ***") for line in said) or (
                best in {"CRAM-MD5", "LOGIN"} and f"> AUTH {best}" in said
            )

    run(main())


def test_the_operator_chooses_among_the_mechanisms(run: Run) -> None:
    """What the route does not name is not used, however good it is."""

    async def main() -> None:
        said = await log_in(
            lab_server(None, "SCRAM-SHA-256", "PLAIN"),
            tls=TlsMode.NONE,
            auth_in_clear=True,
            password=PASSWORD,
            mechanisms=frozenset({"PLAIN"}),
        )
        assert "> AUTH PLAIN ***" in said

    run(main())


def test_only_scram_is_used_in_the_clear(run: Run) -> None:
    """Without TLS neither password nor token nor a digest to try passwords on leaves us."""

    async def main() -> None:
        said = await log_in(
            lab_server(None, "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"),
            tls=TlsMode.NONE,
            password=PASSWORD,
        )
        assert "> AUTH SCRAM-SHA-256 ***" in said
        with pytest.raises(OpenFailed, match="no password is sent without TLS"):
            await log_in(lab_server(None, "CRAM-MD5"), tls=TlsMode.NONE, password=PASSWORD)

    run(main())


def test_a_wrong_password_is_tried_once(authority: trustme.CA, trusted: Path, run: Run) -> None:
    """After 535 no other mechanism is tried: the account must not be locked for guessing."""

    async def main() -> None:
        server = lab_server(authority, "SCRAM-SHA-256", "PLAIN")
        with pytest.raises(OpenFailed, match=r"535 5\.7\.8") as caught:
            await log_in(server, tls=TlsMode.STARTTLS, tls_ca=trusted, password="wrong")
        assert caught.value.stage is Stage.AUTH
        assert server.logins is not None
        assert len(server.logins.claims) == 1

    run(main())


def test_the_token_is_read_anew_for_each_connection(
    authority: trustme.CA, trusted: Path, tmp_path: Path, run: Run
) -> None:
    """Who renews a token writes it into the file; a refused one is told with the server's JSON."""
    token = tmp_path / "token"
    terms = {"tls": TlsMode.STARTTLS, "tls_ca": trusted, "token": FileToken(token)}

    async def main() -> None:
        server = lab_server(authority, "XOAUTH2", "OAUTHBEARER")
        with pytest.raises(OpenFailed, match=r"no token: .*token: No such file"):
            await log_in(server, **terms)
        token.write_text("expired")
        token.chmod(0o644)
        with pytest.raises(OpenFailed, match="others must not reach it"):
            await log_in(server, **terms)
        token.chmod(0o600)
        with pytest.raises(OpenFailed, match=r"535 5\.7\.8 .*invalid_token"):
            await log_in(server, **terms)
        token.write_text("two words")
        with pytest.raises(OpenFailed, match="without a bearer token"):
            await log_in(server, **terms)
        token.write_text(TOKEN)
        said = await log_in(server, **terms)
        assert "> AUTH OAUTHBEARER ***" in said

    run(main())


def test_a_long_token_is_not_sent_with_the_command(
    authority: trustme.CA, trusted: Path, tmp_path: Path, run: Run
) -> None:
    """A command line stays below 512 octets; what is longer answers a challenge (RFC 4954 §4)."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("a" * 3_000)

    async def main() -> None:
        server = lab_server(authority, "XOAUTH2")
        assert server.logins is not None
        server.logins.tokens = {USER: "a" * 3_000}
        said = await log_in(server, tls=TlsMode.STARTTLS, tls_ca=trusted, token=FileToken(token))
        assert said[said.index("> AUTH XOAUTH2") + 1 :][:2] == ["< 334", "> ***"]

    run(main())


def bad_server(*answers: str, offered: str = "SCRAM-SHA-256 PLAIN") -> Script:
    """Answer each line of the exchange with the next of ``answers``."""

    async def script(talk: Any) -> None:
        await talk.hello(f"AUTH {offered}")
        for answer in answers:
            await talk.hear()
            await talk.say(answer)
        await talk.reader.read()

    return script


@pytest.mark.parametrize("refusal", ["504 5.5.4 unknown", "534 5.7.9 too weak"])
def test_the_next_mechanism_is_tried_where_one_is_refused(refusal: str, run: Run) -> None:
    """A server that offers what it does not go on with is asked by the next best."""

    async def main() -> None:
        script = bad_server(refusal, "235 2.7.0 welcome", "221 bye")
        async with serve(script) as endpoint:
            channel = await dial(
                endpoint, tls=TlsMode.NONE, auth_in_clear=True, user=USER, password=PASSWORD
            )
            assert [line for line in channel.opening if "AUTH" in line and ">" in line] == [
                "> AUTH SCRAM-SHA-256 ***",
                "> AUTH PLAIN ***",
            ]
            channel.close()
        script = bad_server(refusal, refusal)
        async with serve(script) as endpoint:
            with pytest.raises(OpenFailed, match=refusal[:3]):
                await dial(
                    endpoint, tls=TlsMode.NONE, auth_in_clear=True, user=USER, password=PASSWORD
                )

    run(main())


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["235 2.7.0 welcome"], "has not proved that it knows the password"),
        (["334 ", "235 2.7.0 welcome"], "has not proved that it knows the password"),
        (["334 !!!", "501 5.7.0 canceled"], "challenge is not base64"),
        (["334 cj1ub3RvdXJzLHM9QUFBQUFBQUFBQUE9LGk9NDA5Ng==", "501 no"], "nonce"),
        (["334 cj1ub3RvdXJzLHM9QUFBQUFBQUFBQUE9LGk9NDA5Ng==", "235 yes"], "nonce"),
    ],
)
def test_a_server_that_proves_nothing_is_not_believed(
    answers: list[str], reason: str, run: Run
) -> None:
    """Mutual authentication: success without the server's proof ends the connection."""

    async def main() -> None:
        async with serve(bad_server(*answers, offered="SCRAM-SHA-256")) as endpoint:
            with pytest.raises(OpenFailed, match=reason) as caught:
                await dial(endpoint, tls=TlsMode.NONE, user=USER, password=PASSWORD)
            assert caught.value.stage is Stage.AUTH

    run(main())


def self_signed(key: Any, algorithm: hashes.HashAlgorithm | None) -> bytes:
    name = x509.Name([])
    day = datetime(2026, 11, 21, tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day)
        .sign(key, algorithm)
        .public_bytes(Encoding.DER)
    )


def test_the_end_point_is_hashed_as_rfc_5929_says() -> None:
    """By the hash of the certificate's signature; by none where the signature has none."""
    key = ec.generate_private_key(ec.SECP256R1())
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        certificate = self_signed(key, algorithm)
        parsed = x509.load_der_x509_certificate(certificate)
        assert server_end_point(certificate) == parsed.fingerprint(algorithm)
    assert server_end_point(self_signed(ed25519.Ed25519PrivateKey.generate(), None)) is None
    assert server_end_point(b"") is None
    assert server_end_point(b"no certificate") is None


def test_secrets_are_not_in_a_repr() -> None:
    """Options end up in logs of defects; the password does not."""
    assert PASSWORD not in repr(ChannelOptions(hello_name="x", user=USER, password=PASSWORD))
