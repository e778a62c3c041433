"""TLS on the connections that we open, with real certificates (rows B04, B05, B12)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from tests.scripted_server import Script, Talk, dial, message, serve

from pillarbox.config.settings import TlsMode
from pillarbox.net.channel import OpenFailed
from pillarbox.net.endpoint import ChannelOptions
from pillarbox.net.tls import TlsContexts, TlsFailed
from pillarbox.net.transaction import Stage

Run = Callable[[Coroutine[Any, Any, None]], None]


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


def server_context(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def secure_server(context: ssl.SSLContext, *extensions: str) -> Script:
    """Offer STARTTLS, then take one message."""

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS")
        await talk.secure(context)
        await talk.ehlo(*extensions)
        await talk.take()
        await talk.goodbye()

    return script


async def plain_server(talk: Talk) -> None:
    """Take one message in the clear, though STARTTLS is offered."""
    await talk.hello("STARTTLS")
    await talk.take()
    await talk.goodbye()


def test_a_verified_certificate_is_told(authority: trustme.CA, trusted: Path, run: Run) -> None:
    """Mode starttls: chain and name are right, the mail goes, and the log can say how."""

    async def main() -> None:
        context = server_context(authority.issue_cert("mx.test"))
        async with serve(secure_server(context, "SIZE 1000")) as endpoint:
            channel = await dial(endpoint, tls=TlsMode.STARTTLS, tls_ca=trusted)
            assert channel.tls is not None
            assert channel.tls.is_verified
            assert str(channel.tls) == "TLSv1.3 TLS_AES_256_GCM_SHA384"
            assert channel.extensions.max_size == 1000
            assert not channel.extensions.starttls
            assert "* TLSv1.3 TLS_AES_256_GCM_SHA384, verified" in channel.opening
            result = await channel.transact(message())
            assert result.outcomes[0].is_delivered
            await channel.quit()

    run(main())


def test_tls_from_the_first_octet_is_verified(
    authority: trustme.CA, trusted: Path, run: Run
) -> None:
    """Mode implicit: the greeting comes inside of TLS (RFC 8314 §3.3)."""

    async def script(talk: Talk) -> None:
        await talk.writer.start_tls(server_context(authority.issue_cert("mx.test")))
        await talk.hello()
        await talk.take()
        await talk.goodbye()

    async def main() -> None:
        async with serve(script) as endpoint:
            channel = await dial(endpoint, tls=TlsMode.IMPLICIT, tls_ca=trusted)
            assert channel.tls is not None
            assert channel.tls.is_verified
            assert (await channel.transact(message())).outcomes[0].is_delivered
            await channel.quit()

    run(main())


def issued(
    authority: trustme.CA, subject: str, alternative: x509.GeneralName | None
) -> trustme.LeafCert:
    """Return a certificate as no honest authority would issue it."""
    key = ec.generate_private_key(ec.SECP256R1())
    signing_key = load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer.subject,
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]),
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(days=1),
        now + timedelta(days=9),
    ).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
    )
    if alternative is not None:
        names = x509.SubjectAlternativeName([alternative])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(signing_key, hashes.SHA256())
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return trustme.LeafCert(written, made.public_bytes(Encoding.PEM), [])


def bad_certificates(authority: trustme.CA) -> dict[str, trustme.LeafCert]:
    past = datetime.now(UTC) - timedelta(days=1)
    return {
        "another name": authority.issue_cert("other.test"),
        "a wildcard of the top": authority.issue_cert("*.test.example"),
        "an address": authority.issue_cert("127.0.0.1"),
        "a part of a label": issued(authority, "mx.test", x509.DNSName("m*.test")),
        "only a common name": issued(authority, "mx.test", None),
        "a NUL in it": issued(authority, "mx.test", x509.DNSName("mx.test\0.evil.test")),
        "unknown authority": trustme.CA().issue_cert("mx.test"),
        "expired": authority.issue_cert(
            "mx.test", not_before=past - timedelta(days=9), not_after=past
        ),
    }


@pytest.mark.parametrize(
    "flaw",
    [
        "another name",
        "a wildcard of the top",
        "a part of a label",
        "only a common name",
        "a NUL in it",
        "an address",
        "unknown authority",
        "expired",
    ],
)
@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.IMPLICIT], ids=lambda mode: mode.value)
def test_b12_a_bad_certificate_fails_where_it_is_verified(
    flaw: str, mode: TlsMode, authority: trustme.CA, trusted: Path, run: Run
) -> None:
    """B12: no mail goes to a name that was not proved; the stage is TLS and the words say why."""
    context = server_context(bad_certificates(authority)[flaw])

    async def script(talk: Talk) -> None:
        if mode is TlsMode.STARTTLS:
            await talk.hello("STARTTLS")
            await talk.secure(context)
        else:
            await talk.writer.start_tls(context)

    async def main() -> None:
        async with serve(script) as endpoint:
            with pytest.raises(OpenFailed, match=r"certificate not valid for mx\.test") as caught:
                await dial(endpoint, tls=mode, tls_ca=trusted)
            assert caught.value.stage is Stage.TLS

    run(main())


@pytest.mark.parametrize("flaw", ["another name", "unknown authority", "expired"])
def test_b12_a_bad_certificate_is_good_enough_for_opportunistic_tls(
    flaw: str, authority: trustme.CA, run: Run
) -> None:
    """B12: mode may: any certificate is better than none, and it is not called verified."""

    async def main() -> None:
        context = server_context(bad_certificates(authority)[flaw])
        async with serve(secure_server(context)) as endpoint:
            channel = await dial(endpoint, tls=TlsMode.OPPORTUNISTIC)
            assert channel.tls is not None
            assert not channel.tls.is_verified
            assert (await channel.transact(message())).outcomes[0].is_delivered
            await channel.quit()

    run(main())


async def garbage(talk: Talk) -> None:
    """Answer the ClientHello with words."""
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("220 go")
    await talk.reader.read(100)
    await talk.say("what do you mean?")
    await talk.reader.read()


async def refusal(talk: Talk) -> None:
    """Offer STARTTLS and have none today."""
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("454 4.7.0 TLS not available")
    await talk.reader.read()


async def injection(talk: Talk) -> None:
    """Put a reply in the clear behind the 220."""
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("220 go", "250-evil", "250 AUTH PLAIN")
    await talk.reader.read()


async def hang_up(talk: Talk) -> None:
    """Leave in the middle of the handshake."""
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("220 go")


BROKEN = pytest.mark.parametrize(
    "broken", [garbage, refusal, injection, hang_up], ids=lambda script: script.__name__
)


@BROKEN
def test_b05_mail_goes_in_the_clear_on_a_fresh_connection_when_tls_fails(
    broken: Script, run: Run
) -> None:
    """B04, B05: mode may: a second connection, in the clear, that never asks for TLS."""

    async def main() -> None:
        async with serve(broken, plain_server) as endpoint:
            channel = await dial(endpoint, tls=TlsMode.OPPORTUNISTIC)
            assert channel.tls is None
            assert any(line.startswith("* in the clear, since") for line in channel.opening)
            assert "evil" not in str(channel.extensions)
            assert (await channel.transact(message())).outcomes[0].is_delivered
            await channel.quit()

    run(main())


@BROKEN
def test_b05_nothing_goes_in_the_clear_where_tls_is_required(broken: Script, run: Run) -> None:
    """B04, B05: mode starttls: the failure is temporary and at the stage of TLS."""

    async def main() -> None:
        async with serve(broken) as endpoint:
            with pytest.raises(OpenFailed) as caught:
                await dial(endpoint, tls=TlsMode.STARTTLS)
            assert caught.value.stage is Stage.TLS
            assert caught.value.conversation

    run(main())


def test_b05_a_stripped_starttls_is_no_reason_to_go_in_the_clear(run: Run) -> None:
    """B05: mode starttls: STARTTLS missing from EHLO defers; mode may goes on."""

    async def stripped(talk: Talk) -> None:
        await talk.hello()
        await talk.reader.read()

    async def main() -> None:
        async with serve(stripped) as endpoint:
            with pytest.raises(OpenFailed, match="does not offer STARTTLS") as caught:
                await dial(endpoint, tls=TlsMode.STARTTLS)
            assert caught.value.stage is Stage.TLS
            channel = await dial(endpoint, tls=TlsMode.OPPORTUNISTIC)
            assert channel.is_usable
            channel.close()

    run(main())


def test_a_server_in_the_clear_on_the_tls_port_is_told(run: Run) -> None:
    """Mode implicit: a greeting in the clear is no TLS."""

    async def clear(talk: Talk) -> None:
        await talk.say("220 mx.test")
        await talk.reader.read(100)
        await talk.say("500 what")
        await talk.reader.read()

    async def main() -> None:
        async with serve(clear) as endpoint:
            with pytest.raises(OpenFailed, match="TLS handshake failed") as caught:
                await dial(endpoint, tls=TlsMode.IMPLICIT)
            assert caught.value.stage is Stage.TLS

    run(main())


def test_login_goes_through_tls_only(authority: trustme.CA, trusted: Path, run: Run) -> None:
    """A password is sent after STARTTLS, never before, and never shown."""

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS", "AUTH PLAIN")
        await talk.secure(server_context(authority.issue_cert("mx.test")))
        await talk.ehlo("AUTH PLAIN")
        assert await talk.hear("AUTH") == "AUTH PLAIN AHVzZXIAc2VjcmV0"
        await talk.say("535 5.7.8 wrong")
        await talk.reader.read()

    async def main() -> None:
        terms = {"user": "user", "password": "secret", "tls_ca": trusted}
        async with serve(script) as endpoint:
            with pytest.raises(OpenFailed) as caught:
                await dial(endpoint, tls=TlsMode.STARTTLS, **terms)
        assert (caught.value.stage, str(caught.value.reply)) == (Stage.AUTH, "535 5.7.8 wrong")
        assert not any("secret" in line or "AHVz" in line for line in caught.value.conversation)
        async with serve(plain_server) as endpoint:
            with pytest.raises(OpenFailed, match="no password is sent without TLS"):
                await dial(endpoint, tls=TlsMode.NONE, **terms)
            with pytest.raises(OpenFailed, match="no mechanism that we can use"):
                await dial(endpoint, tls=TlsMode.NONE, auth_in_clear=True, **terms)

    run(main())


def test_the_password_is_not_in_a_repr() -> None:
    """Options end up in logs of defects; the password does not."""
    assert "secret" not in repr(ChannelOptions(hello_name="x", user="u", password="secret"))


def test_authorities_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A missing or empty file of authorities is a failure of TLS, with the file's name."""
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(TlsFailed, match=path.name):
            TlsContexts().verified(path)


def test_contexts_are_made_once() -> None:
    """A context is expensive; each policy has one."""
    contexts = TlsContexts()
    assert contexts.opportunistic() is contexts.opportunistic()
    assert contexts.verified() is contexts.verified()
    assert contexts.opportunistic().minimum_version is ssl.TLSVersion.TLSv1_2
