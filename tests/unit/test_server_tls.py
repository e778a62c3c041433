"""Which certificate a TLS client is shown."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from pillarbox.receive.certificate import CertificateFiles
from pillarbox.receive.tls import ServerTls, TlsProfile
from pillarbox.receive.tls_layer import TlsBroken, TlsLayer

AUTHORITY = trustme.CA()


def files(directory: Path, *names: str) -> CertificateFiles:
    """Write a certificate for some names."""
    label = names[0].replace("*", "any")
    issued = AUTHORITY.issue_cert(*names)
    certificate, key = directory / f"{label}.pem", directory / f"{label}.key"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    key.touch(mode=0o600)
    key.write_bytes(issued.private_key_pem.bytes())
    return CertificateFiles(certificate, key)


def client_of(name: str | None, leaf: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """Return a context that believes the authority; without a name it checks none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    context.check_hostname = name is not None
    if leaf is not None:
        leaf.configure_cert(context)
    return context


def shake(
    tls: ServerTls, name: str | None, leaf: trustme.LeafCert | None = None
) -> tuple[ssl.SSLObject, TlsLayer]:
    """Make a handshake in memory; return both ends."""
    server = TlsLayer(tls.context(0.0))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_of(name, leaf).wrap_bio(incoming, outgoing, server_hostname=name)
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        if outgoing.pending:
            server.receive(outgoing.read())
        incoming.write(server.data_to_send())
    return client, server


def shown(tls: ServerTls, name: str | None) -> set[str]:
    """Return the names in the certificate that a client gets."""
    client, _ = shake(tls, name)
    certificate = client.getpeercert()
    assert certificate is not None
    return {str(value) for _, value in certificate["subjectAltName"]}


@pytest.fixture
def tls(tmp_path: Path) -> ServerTls:
    """A listener with three certificates."""
    return ServerTls(
        [
            files(tmp_path, "mx.example.org"),
            files(tmp_path, "mail.example.net", "smtp.example.net"),
            files(tmp_path, "*.example.com"),
        ]
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, {"mx.example.org"}),
        ("mx.example.org", {"mx.example.org"}),
        ("smtp.example.net", {"mail.example.net", "smtp.example.net"}),
        ("any.example.com", {"*.example.com"}),
    ],
)
def test_a_client_gets_the_certificate_for_the_name(
    tls: ServerTls, name: str | None, expected: set[str]
) -> None:
    """By its exact name, by a wildcard, or the first where it asks for none (RFC 6066 §3)."""
    assert shown(tls, name) == expected


def test_channel_binding_goes_by_what_was_shown(tls: ServerTls) -> None:
    """The layer knows which of the certificates its client has seen."""
    client, server = shake(tls, "any.example.com")
    assert server.server_certificate == client.getpeercert(binary_form=True)


def test_an_unknown_name_gets_the_first_certificate_or_an_alert(tmp_path: Path) -> None:
    """On mx any certificate will do; on submission a wrong name is an error of the client's."""
    only = [files(tmp_path, "mx.example.org")]
    with pytest.raises(ssl.SSLCertVerificationError):  # the client's check, not ours
        shake(ServerTls(only), "other.example")
    refusing = ServerTls(only, TlsProfile(refuses_unknown_names=True))
    with pytest.raises((TlsBroken, ssl.SSLError), match=r"(?i)unrecognized|callback"):
        shake(refusing, "other.example")
    assert shown(refusing, None) == {"mx.example.org"}


def test_odd_names_do_no_harm(tls: ServerTls) -> None:
    """A name as long as the DNS allows, or one that nobody could have, is just unknown."""
    for name in ("a." * 120 + "example", "xn--zzzz.example", "_.example"):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake(tls, name)


def test_a_renewed_certificate_is_shown_to_the_next_client(tmp_path: Path) -> None:
    """Files that were written anew are read within seconds, also those behind a name."""
    first, second = files(tmp_path, "mx.example.org"), files(tmp_path, "b.example.org")
    tls = ServerTls([first, second])
    before, _ = shake(tls, "b.example.org")
    files(tmp_path, "b.example.org")
    tls.context(10.0)
    after, _ = shake(tls, "b.example.org")
    assert before.getpeercert(binary_form=True) != after.getpeercert(binary_form=True)


def test_a_client_certificate_is_asked_for_and_verified(tmp_path: Path) -> None:
    """Who shows none is let in where it is optional; who shows one of ours is known by it."""
    authority = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    only = [files(tmp_path, "mx.example.org")]
    optional = ServerTls(only, TlsProfile(client_ca=authority))
    _, server = shake(optional, None)
    assert not server.client_certificate
    _, server = shake(optional, None, AUTHORITY.issue_cert("client.example", common_name="web-3"))
    assert "commonName=web-3" in server.client_certificate


def test_a_client_certificate_of_a_stranger_is_turned_away(tmp_path: Path) -> None:
    """A certificate that does not verify, and none where one is required, end the handshake."""
    authority = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    only = [files(tmp_path, "mx.example.org")]
    stranger = trustme.CA().issue_cert("client.example")
    with pytest.raises(TlsBroken):
        shake(ServerTls(only, TlsProfile(client_ca=authority)), None, stranger)
    required = TlsProfile(client_ca=authority, requires_client_certificate=True)
    with pytest.raises(TlsBroken):
        shake(ServerTls(only, required), None)


def test_an_expired_client_certificate_is_turned_away(tmp_path: Path) -> None:
    """It is no proof any more; the handshake ends with an alert, and nothing else breaks."""
    authority = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    past = datetime.now(UTC) - timedelta(days=1)
    expired = AUTHORITY.issue_cert("client.example", not_after=past)
    with pytest.raises(TlsBroken):
        shake(
            ServerTls([files(tmp_path, "mx.example.org")], TlsProfile(client_ca=authority)),
            None,
            expired,
        )


def test_a_huge_client_chain_is_turned_away(tmp_path: Path) -> None:
    """Dozens of certificates cost a handshake at most, and prove nothing."""
    authority = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    tls = ServerTls([files(tmp_path, "mx.example.org")], TlsProfile(client_ca=authority))
    stranger = trustme.CA().issue_cert("client.example")
    stranger.cert_chain_pems.extend(trustme.CA().cert_pem for _ in range(60))
    with pytest.raises(TlsBroken):
        shake(tls, None, stranger)
    assert shown(tls, None) == {"mx.example.org"}


def test_a_ticket_of_one_listener_opens_nothing_on_another(tmp_path: Path) -> None:
    """Each listener has a session-ticket key of its own (RFC 5077 §5.5)."""
    only = [files(tmp_path, "mx.example.org")]
    profile = TlsProfile()
    one, other = ServerTls(only, profile), ServerTls(only, profile)
    context = client_of(None)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = _resume(context, one, None)
    assert _resumes(context, one, session)
    assert not _resumes(context, other, session)


def _resume(
    context: ssl.SSLContext, tls: ServerTls, session: ssl.SSLSession | None
) -> ssl.SSLSession:
    client = _connect(context, tls, session)
    assert client.session is not None
    return client.session


def _resumes(context: ssl.SSLContext, tls: ServerTls, session: ssl.SSLSession) -> bool:
    return bool(_connect(context, tls, session).session_reused)


def _connect(
    context: ssl.SSLContext, tls: ServerTls, session: ssl.SSLSession | None
) -> ssl.SSLObject:
    server = TlsLayer(tls.context(0.0))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, session=session)
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        if outgoing.pending:
            server.receive(outgoing.read())
        incoming.write(server.data_to_send())
    return client
