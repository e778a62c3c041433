"""Which certificates the listeners of a node present, and the TLS settings of each."""

from __future__ import annotations

from pathlib import Path

from pillarbox.config.settings import ListenerKind, ListenerSettings, Settings, UnknownNames
from pillarbox.receive.certificate import CertificateFiles, self_signed_certificate
from pillarbox.receive.tls import TlsProfile

__all__ = ["certificate_files", "fetched_files", "has_implicit_tls", "has_tls", "tls_profile"]


def has_tls(listener: ListenerSettings) -> bool:
    """Whether clients of a listener can speak TLS."""
    if has_implicit_tls(listener):
        return True
    return True if listener.starttls is None else listener.starttls


def has_implicit_tls(listener: ListenerSettings) -> bool:
    """Whether clients of a listener speak TLS from the first octet."""
    if listener.implicit_tls is None:
        return listener.kind is ListenerKind.SUBMISSIONS
    return listener.implicit_tls


def fetched_files(directory: Path, name: str) -> CertificateFiles:
    """Return the files of a certificate obtained from an authority.

    Args:
        directory: The node's directory.
        name: The certificate's name in the configuration.
    """
    return CertificateFiles(directory / "acme" / f"{name}.pem", directory / "acme" / f"{name}.key")


def certificate_files(
    settings: Settings, hostname: str, now: float
) -> tuple[CertificateFiles, ...]:
    """Return the certificates in the order in which they are chosen; the first by default.

    One that has not been fetched yet is left out. Where there is no other, there is a
    self-signed one; where no listener speaks TLS, none at all.

    Raises:
        PermanentError: A self-signed certificate cannot be written.
    """
    if not any(has_tls(listener) for listener in settings.listener.values()):
        return ()
    found: list[CertificateFiles] = []
    if settings.tls.certificate is not None:
        # A key may stand in the same file as its certificate.
        key = settings.tls.key or settings.tls.certificate
        found.append(CertificateFiles(settings.tls.certificate, key))
    for name, certificate in settings.certificate.items():
        if certificate.certificate is not None:
            key = certificate.key or certificate.certificate
            found.append(CertificateFiles(certificate.certificate, key))
        else:
            fetched = fetched_files(settings.node.directory, name)
            if fetched.stamp():
                found.append(fetched)
    if not found:
        found.append(
            CertificateFiles(*self_signed_certificate(settings.node.directory, hostname, now))
        )
    return tuple(found)


def tls_profile(listener: ListenerSettings, settings: Settings) -> TlsProfile:
    """Return the TLS settings of a listener."""
    is_self_signed = settings.tls.certificate is None and not settings.certificate
    is_for_users = listener.kind in {ListenerKind.SUBMISSION, ListenerKind.SUBMISSIONS}
    refuses = is_for_users and not is_self_signed
    if listener.unknown_names is not None:
        refuses = listener.unknown_names is UnknownNames.REFUSE
    return TlsProfile(
        minimum_version=settings.tls.minimum_version,
        refuses_unknown_names=refuses,
        client_ca=listener.client_ca,
        requires_client_certificate=listener.require_client_certificate,
    )
