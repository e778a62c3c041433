"""Certificates in files: their names, their expiry, and the self-signed one.

The self-signed one is used where none is configured. It lets clients encrypt from the first minute;
no other server can verify it.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pillarbox.errors import PermanentError

__all__ = ["CertificateFiles", "certified_names", "expires_at", "self_signed_certificate"]

_LIFETIME: Final = dt.timedelta(days=3650)
_RENEW_BEFORE: Final = dt.timedelta(days=30)
_CLOCK_SKEW: Final = dt.timedelta(hours=1)
_LOOPBACK: Final[tuple[IPv4Address | IPv6Address, ...]] = (
    IPv4Address("127.0.0.1"),
    IPv6Address("::1"),
)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The files of a certificate with its chain, and of its key."""

    certificate: Path
    key: Path

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes when the files are rewritten."""
        try:
            seen = self.certificate.stat(), self.key.stat()
        except OSError:
            return ()
        return tuple(value for each in seen for value in (each.st_mtime_ns, each.st_ino))


def certified_names(path: Path) -> tuple[frozenset[str], bytes]:
    """Return a certificate's host names, in lower case, and its DER octets.

    Names in the subject do not count (RFC 9525 §2).

    Raises:
        PermanentError: The file contains no certificate.
    """
    certificate = _read(path)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = found.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        names = []
    return (
        frozenset(name.lower() for name in names),
        certificate.public_bytes(serialization.Encoding.DER),
    )


def expires_at(path: Path) -> float:
    """Return when a certificate expires, seconds since 1970.

    Raises:
        PermanentError: The file contains no certificate.
    """
    return _read(path).not_valid_after_utc.timestamp()


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PermanentError(f"{path}: {error}") from error


def self_signed_certificate(directory: Path, name: str, now: float) -> tuple[Path, Path]:
    """Return the certificate and key in a directory, generated again if they do not fit.

    Args:
        directory: Where ``certificate.pem`` and ``key.pem`` are; created if it is missing.
        name: The host name to certify.
        now: The wall clock, seconds since 1970.

    Raises:
        PermanentError: The files cannot be written.
    """
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    today = dt.datetime.fromtimestamp(now, dt.UTC)
    try:
        if not key.exists() or not _fits(certificate, name, today):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(certificate, key, name, today)
    except OSError as error:
        raise PermanentError(f"cannot keep a certificate in {directory}: {error}") from error
    return certificate, key


def _fits(path: Path, name: str, today: dt.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    return (
        name in names.value.get_values_for_type(x509.DNSName)
        and certificate.not_valid_after_utc - _RENEW_BEFORE > today
    )


def _make(certificate: Path, key: Path, name: str, today: dt.datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # ub-common-name
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names += [x509.IPAddress(address) for address in _LOOPBACK]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - _CLOCK_SKEW)
        .not_valid_after(today + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    _write(
        key,
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        0o600,
    )
    _write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    # A new file each time: the mode holds from its first octet, and readers never see half.
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    made.replace(path)
