"""TLS on listeners: STARTTLS, TLS from the first octet, certificates, and attacks on them."""

from __future__ import annotations

import base64
import contextlib
import os
import smtplib
import socket
import ssl
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.receiving import (
    HOSTNAME,
    PASSWORD,
    Wire,
    any_certificate,
    listener,
    receiving,
    wait_until,
)

from pillarbox.config.settings import LimitSettings, ListenerKind
from pillarbox.errors import PermanentError
from pillarbox.events.types import TlsNegotiated
from pillarbox.receive.certificate import CertificateFiles, self_signed_certificate
from pillarbox.receive.tls import ServerTls, TlsProfile, server_context
from pillarbox.receive.tls_layer import TlsBroken, TlsLayer

KINDS = {
    "mx": listener(),
    "submission": listener(ListenerKind.SUBMISSION, trusted_networks=("127.0.0.0/8",)),
    "submissions": listener(ListenerKind.SUBMISSIONS, trusted_networks=("127.0.0.0/8",)),
}
PLAIN = ("mx", "submission")
# Without forward secrecy, authenticated encryption, a certificate, or any encryption.
WEAK = ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "aNULL", "eNULL")
MESSAGE = b"From: x@third.test\r\nTo: ann@local.test\r\n\r\nHello\r\n"
NOW = 1_800_000_000.0


def certificate_files(directory: Path, name: str = HOSTNAME) -> tuple[CertificateFiles, trustme.CA]:
    """Write a certificate and its key, and return them with the authority behind them."""
    authority = trustme.CA()
    made = authority.issue_cert(name)
    directory.mkdir(exist_ok=True)
    made.cert_chain_pems[0].write_to_path(str(directory / "cert.new"))
    made.private_key_pem.write_to_path(str(directory / "key.new"))
    (directory / "key.new").chmod(0o600)
    (directory / "cert.new").replace(directory / "cert.pem")
    (directory / "key.new").replace(directory / "key.pem")
    return CertificateFiles(directory / "cert.pem", directory / "key.pem"), authority


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_mail_comes_in_by_starttls_and_by_tls_from_the_start(on_uvloop: bool) -> None:
    """Smtplib sends a message both ways, and the trace field says how it came."""
    with receiving(KINDS, on_uvloop=on_uvloop) as rig:
        for name in PLAIN:
            with smtplib.SMTP(*rig.address(name), timeout=10) as client:
                client.starttls(context=any_certificate())
                client.sendmail("x@third.test", "ann@local.test", MESSAGE)
        with smtplib.SMTP_SSL(
            *rig.address("submissions"), timeout=10, context=any_certificate()
        ) as client:
            client.sendmail("x@third.test", "ann@local.test", MESSAGE)
        contents = [rig.content(each) for each in rig.kept]
        negotiated = rig.named(TlsNegotiated)
    assert len(contents) == 3
    assert all(b"with ESMTPS id " in content for content in contents)
    assert {each.version for each in negotiated} == {"TLSv1.3"}


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("name", PLAIN)
def test_nothing_injected_behind_starttls_is_obeyed(name: str, on_uvloop: bool) -> None:
    """What comes in one segment with STARTTLS is thrown away (CVE-2011-0411)."""
    with receiving(KINDS, on_uvloop=on_uvloop) as rig, rig.client(name) as wire:
        wire.hello()
        wire.send(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@third.test>\r\n")
        assert wire.reply().startswith("220 ")
        wire.sock = any_certificate().wrap_socket(wire.sock)
        assert wire.ask("NOOP").startswith("250")
        assert wire.ask("RCPT TO:<ann@local.test>").startswith("503")
        assert "STARTTLS" not in wire.ask("EHLO client.test")


@pytest.mark.parametrize("name", PLAIN)
def test_all_that_was_said_before_tls_is_forgotten(name: str) -> None:
    """After STARTTLS the client has to say EHLO again (RFC 3207 §4.2)."""
    with receiving(KINDS) as rig, rig.client(name) as wire:
        wire.hello()
        wire.start_tls(any_certificate())
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("503")
        assert wire.ask("EHLO again.test").startswith("250")
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("250")


def test_starttls_at_the_wrong_time_is_refused() -> None:
    """Twice, with an argument, in a transaction, where it is not offered: 5xx, and on it goes."""
    kinds = {**KINDS, "bare": listener(starttls=False)}
    with receiving(kinds) as rig:
        with rig.client() as wire:
            wire.hello()
            assert wire.ask("STARTTLS now").startswith("501 5.5.4")
            wire.ask("MAIL FROM:<x@third.test>")
            assert wire.ask("STARTTLS").startswith("503")
            wire.ask("RSET")
            wire.start_tls(any_certificate())
            wire.ask("EHLO client.test")
            assert wire.ask("STARTTLS").startswith("503")
            assert wire.ask("NOOP").startswith("250")
        with rig.client("bare") as wire:
            assert "STARTTLS" not in wire.hello()
            assert wire.ask("STARTTLS").startswith("502")
        with rig.client("submissions") as wire:
            wire.sock = any_certificate().wrap_socket(wire.sock)
            assert "STARTTLS" not in wire.hello()
            assert wire.ask("STARTTLS").startswith("50")


def test_starttls_after_a_login_in_the_clear_is_refused() -> None:
    """Who has logged in has an identity, which TLS would have to take away: 503, and on it goes."""
    kinds = {"in": listener(ListenerKind.SUBMISSION, auth_without_tls=True)}
    with receiving(kinds, users={"ann": PASSWORD}) as rig, rig.client("in") as wire:
        wire.hello()
        secret = base64.b64encode(f"\0ann\0{PASSWORD}".encode()).decode()
        assert wire.ask(f"AUTH PLAIN {secret}").startswith("235")
        assert wire.ask("STARTTLS").startswith("503")
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("250")


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("command", ["DATA", "BDAT 1000 LAST"])
@pytest.mark.parametrize("name", KINDS)
def test_cleartext_after_close_notify_ends_the_message(
    name: str, command: str, on_uvloop: bool
) -> None:
    """When TLS is closed in the middle of a content, what follows is not part of it."""
    with receiving(KINDS, on_uvloop=on_uvloop) as rig, rig.client(name) as wire:
        if name != "submissions":
            wire.hello()
            assert wire.ask("STARTTLS").startswith("220")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = any_certificate().wrap_bio(incoming, outgoing, server_hostname=HOSTNAME)
        shake_hands(wire, tls, incoming, outgoing)
        tls.write(b"EHLO x\r\nMAIL FROM:<x@third.test>\r\nRCPT TO:<ann@local.test>\r\n")
        tls.write(command.encode() + b"\r\n" + MESSAGE)
        wire.sock.sendall(outgoing.read())
        wait_until(lambda: rig.call(lambda: rig.door.guards.budget.used) > 0)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        wire.sock.sendall(outgoing.read() + b"evil\r\n.\r\nMAIL FROM:<evil@third.test>\r\n")
        wire.rest()
        wait_until(lambda: len(rig.reasons()) == 1)
        assert not rig.kept
        assert rig.call(lambda: rig.door.guards.budget.used) == 0


def shake_hands(
    wire: Wire, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> None:
    """Make a TLS handshake by hand."""
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            wire.sock.sendall(outgoing.read())
            incoming.write(wire.sock.recv(65_536))
    wire.sock.sendall(outgoing.read())


@pytest.mark.parametrize("name", KINDS)
def test_old_versions_and_weak_ciphers_are_refused(name: str) -> None:
    """TLS 1.1, and ciphers without secrecy, forward secrecy or a certificate, get an alert."""
    old = any_certificate()
    weak = [any_certificate() for _ in WEAK]
    for context, ciphers in zip(weak, WEAK, strict=True):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 "):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with receiving(KINDS) as rig:
        for context in (old, *weak):
            with rig.client(name) as wire:
                if name != "submissions":
                    wire.hello()
                    assert wire.ask("STARTTLS").startswith("220")
                with pytest.raises((ssl.SSLError, ConnectionResetError)):
                    context.wrap_socket(wire.sock)
        with rig.client(name) as wire:
            if name == "submissions":
                wire.sock = any_certificate().wrap_socket(wire.sock)
            wire.hello()
        assert any(reason.startswith("TLS: ") for reason in rig.reasons())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("server_name", ["unknown.test", "x" * 60 + ".test"])
def test_unknown_names_and_protocols_get_the_one_certificate(name: str, server_name: str) -> None:
    """SNI and ALPN that mean nothing here do not keep a client out."""
    context = any_certificate()
    context.set_alpn_protocols(["h2", "nonsense"])
    with receiving(KINDS) as rig, rig.client(name) as wire:
        if name != "submissions":
            wire.hello()
            wire.ask("STARTTLS")
        wire.sock = context.wrap_socket(wire.sock, server_hostname=server_name)
        wire.send("EHLO client.test", "QUIT")
        assert b"221 2.0.0" in wire.rest()


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("octets", [b"", b"\x16", b"\x16\x03\x01\x40\x00" + b"x" * 100])
def test_a_handshake_that_stalls_is_cut(name: str, octets: bytes, on_uvloop: bool) -> None:
    """Who does not finish the handshake in time is disconnected, and others are served."""
    limits = LimitSettings(tls_timeout=0.15)
    with receiving(KINDS, limits=limits, on_uvloop=on_uvloop) as rig, rig.client(name) as wire:
        if name != "submissions":
            wire.hello()
            wire.ask("STARTTLS")
        wire.send(octets)
        wire.rest()
        wait_until(lambda: len(rig.reasons()) == 1)
        assert rig.reasons()[0].startswith(("time-out: TLS handshake", "TLS: "))


@pytest.mark.parametrize("name", KINDS)
def test_a_handshake_that_trickles_is_cut_like_one_that_stalls(name: str) -> None:
    """The time is for the whole handshake: an octet now and then does not prolong it."""
    with receiving(KINDS, limits=LimitSettings(tls_timeout=0.3)) as rig, rig.client(name) as wire:
        if name != "submissions":
            wire.hello()
            wire.ask("STARTTLS")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for octet in b"\x16\x03\x01\x40\x00" + b"x" * 500:
                wire.sock.sendall(bytes([octet]))
                time.sleep(0.05)
        assert time.monotonic() - began < 20.0
        wait_until(rig.reasons)
        assert rig.reasons()[0].startswith("time-out: TLS handshake")


@pytest.mark.parametrize("name", KINDS)
def test_half_open_handshakes_keep_nobody_waiting(name: str) -> None:
    """Hundreds of them are only connections; the next client is served at once."""
    limits = LimitSettings(connections_per_client=1_000, tls_timeout=30.0)
    with receiving(KINDS, limits=limits) as rig, contextlib.ExitStack() as stack:
        for _ in range(200):
            sock = stack.enter_context(socket.create_connection(rig.address(name), timeout=10))
            sock.sendall(b"" if name == "submissions" else b"EHLO x\r\nSTARTTLS\r\n")
            sock.sendall(b"\x16\x03\x01")
        began = time.monotonic()
        with rig.client(name) as wire:
            if name == "submissions":
                wire.sock = any_certificate().wrap_socket(wire.sock)
            wire.hello()
        assert time.monotonic() - began < 20.0  # tls_timeout is 30


@pytest.mark.parametrize("name", KINDS)
def test_a_name_of_sixty_kilobytes_ends_only_its_own_connection(name: str) -> None:
    """A ClientHello that asks for what no name can be gets an alert, and nobody else does."""
    with receiving(KINDS) as rig:
        with rig.client(name) as wire:
            if name != "submissions":
                wire.hello()
                wire.ask("STARTTLS")
            wire.send(*client_hello(b"a" * 60_000))
            assert wire.rest()[:1] in {b"", b"\x15"}  # an alert (RFC 8446 §6), or just closed
        with rig.client(name) as wire:
            if name == "submissions":
                wire.sock = any_certificate().wrap_socket(wire.sock)
            wire.hello()


def client_hello(name: bytes) -> list[bytes]:
    """Return the records of a ClientHello that asks for a name, however long (RFC 6066 §3)."""
    entry = b"\0" + len(name).to_bytes(2, "big") + name
    names = len(entry).to_bytes(2, "big") + entry
    extension = b"\0\0" + len(names).to_bytes(2, "big") + names
    extensions = len(extension).to_bytes(2, "big") + extension
    hello = b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\2\xc0\x2f" + b"\1\0" + extensions
    octets = b"\x01" + len(hello).to_bytes(3, "big") + hello
    parts = [octets[at : at + 16_384] for at in range(0, len(octets), 16_384)]
    return [b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts]


def test_rubbish_instead_of_a_handshake_closes_only_that_connection() -> None:
    """Octets that are not TLS end the session; the next client is served."""
    with receiving(KINDS) as rig:
        for _ in range(3):
            with rig.client("submissions") as wire:
                wire.send(b"EHLO in.the.clear\r\nMAIL FROM:<>\r\n")
                wire.rest()
        with rig.client("submissions") as wire:
            wire.sock = any_certificate().wrap_socket(wire.sock)
            wire.hello()
        assert all(reason.startswith("TLS: ") for reason in rig.reasons()[:3])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_from_one_listener_opens_nothing_on_another(version: ssl.TLSVersion) -> None:
    """Sessions are resumed on the listener that gave the ticket, and nowhere else."""
    kinds = {name: listener(ListenerKind.SUBMISSIONS) for name in ("one", "two")}
    context = any_certificate()
    context.maximum_version = version
    with receiving(kinds) as rig:

        def connect(
            name: str, session: ssl.SSLSession | None
        ) -> tuple[ssl.SSLSession | None, bool]:
            with (
                socket.create_connection(rig.address(name)) as sock,
                context.wrap_socket(sock, session=session) as tls,
            ):
                assert tls.recv(3) == b"220"
                return tls.session, bool(tls.session_reused)

        ticket, _ = connect("one", None)
        assert connect("one", ticket)[1]
        assert not connect("two", ticket)[1]


def test_a_new_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    """Changed files are read again; files that cannot be used are told of, and not used."""
    files, _ = certificate_files(tmp_path)
    tls = ServerTls([files])
    first = tls.context(now=0.0)
    certificate_files(tmp_path)
    assert tls.context(now=1.0) is first  # not looked at again so soon
    second = tls.context(now=10.0)
    assert second is not first
    files.certificate.write_text("no certificate")
    with pytest.raises(PermanentError):
        tls.context(now=20.0)
    assert tls.context(now=30.0) is second


def test_loose_modes_and_wrong_keys_are_refused(tmp_path: Path) -> None:
    """A key that others can read, or that is another certificate's, is not used."""
    files, _ = certificate_files(tmp_path / "one")
    other, _ = certificate_files(tmp_path / "two")
    files.key.chmod(0o644)
    with pytest.raises(PermanentError, match="chmod 600"):
        server_context(files)
    files.key.chmod(0o600)
    with pytest.raises(PermanentError):
        server_context(CertificateFiles(files.certificate, other.key))
    with pytest.raises(PermanentError):
        server_context(CertificateFiles(files.certificate, tmp_path / "none"))
    with pytest.raises(PermanentError, match=r"minimum_version"):
        server_context(files, TlsProfile(minimum_version="1.1"))


def test_a_certificate_with_a_weak_key_is_not_shown(tmp_path: Path) -> None:
    """RSA below 2048 bits protects nothing (RFC 9325 §4.2)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - just that
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTNAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").touch(mode=0o600)
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(PermanentError, match=r"(?i)key.too.small"):
        server_context(CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem"))


def test_a_certificate_is_made_once_and_kept_privately(tmp_path: Path) -> None:
    """The self-signed certificate stays the same until it is about to expire or misnamed."""
    directory = tmp_path / "node"
    certificate, key = self_signed_certificate(directory, HOSTNAME, NOW)
    made = certificate.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    self_signed_certificate(directory, HOSTNAME, NOW + 86_400)
    assert certificate.read_bytes() == made
    self_signed_certificate(directory, "other.test", NOW)
    assert certificate.read_bytes() != made
    made = certificate.read_bytes()
    self_signed_certificate(directory, "other.test", NOW + 3640 * 86_400)
    assert certificate.read_bytes() != made
    server_context(CertificateFiles(certificate, key))


def test_a_certificate_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    """A directory that is a file says so, in a sentence."""
    tmp_path.joinpath("file").touch()
    with pytest.raises(PermanentError, match="cannot keep a certificate"):
        self_signed_certificate(tmp_path / "file", HOSTNAME, NOW)


def test_the_layer_gives_out_the_same_octets_however_they_are_split() -> None:
    """A handshake and data in pieces of one octet are what they are in one piece."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOSTNAME).configure_cert(server)
    layer = TlsLayer(server)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = any_certificate().wrap_bio(incoming, outgoing)
    plain = b""
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        for octet in outgoing.read():
            plain += layer.receive(bytes([octet]))
        incoming.write(layer.data_to_send())
    assert layer.is_ready
    client.write(b"EHLO x\r\n" * 5_000)
    for piece in struct.iter_unpack("1s", outgoing.read()):
        plain += layer.receive(piece[0])
    assert plain == b"EHLO x\r\n" * 5_000
    layer.encrypt(b"250 OK\r\n" * 5_000)
    incoming.write(layer.data_to_send())
    assert client.read(100_000).startswith(b"250 OK\r\n")
    with pytest.raises(TlsBroken):
        layer.receive(os.urandom(100))
