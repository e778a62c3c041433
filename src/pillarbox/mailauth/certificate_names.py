"""Whether a certificate is for a name (RFC 9525 §6; RFC 7672 §3.2.3)."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from pillarbox.smtp.address import ascii_domain

__all__ = ["names_match", "names_of"]


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names of a certificate in lower case; if it has none, its common name."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        names = []
    if not names:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        names = [str(attribute.value) for attribute in common]
    return tuple(name.lower().rstrip(".") for name in names if name.isascii())


def names_match(certificate: x509.Certificate, names: Iterable[str]) -> bool:
    """Whether a certificate is for one of the names; "*" stands for the whole first label."""
    presented = names_of(certificate)
    for name in names:
        wanted = ascii_domain(name).rstrip(".")
        above = wanted.partition(".")[2]
        if wanted in presented or ("." in above and f"*.{above}" in presented):
            return True
    return False
