"""The path from a server's certificate to an anchor in DNS (RFC 5280 §6, RFC 7671 §5.2).

Laxer than a browser: DANE makes private authorities as good as public ones, so the only checks are
those that keep a certificate from acting as its own authority.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = ["PathError", "is_issued_by", "path_to_anchor"]

_MAX_SIGNATURES: Final = 32  # verified in the search for one path


class PathError(ValueError):
    """There is no usable path."""

    def __init__(
        self, message: str, *, result_type: str = "validation-failure", depth: int = -1
    ) -> None:
        """Take the reason, the result type of RFC 8460 §4.3.2, and the depth; -1 without a path."""
        super().__init__(message)
        self.result_type = result_type
        self.depth = depth


def path_to_anchor(
    leaf: x509.Certificate,
    pool: Sequence[x509.Certificate],
    is_anchor: Callable[[x509.Certificate], bool],
    now: datetime,
) -> list[x509.Certificate]:
    """Return the certificates from ``leaf`` to the first anchor, both included.

    Args:
        leaf: The server's own certificate. It can be the anchor only by its signature or if it is
            self-issued.
        pool: Possible intermediate certificates.
        is_anchor: Tells whether a certificate is an anchor.
        now: The time at which all of them must be valid.

    Raises:
        PathError: There is no path, or a certificate on it is expired or not a CA.
    """
    path = [leaf]
    signatures = 0
    left = list(pool)
    while not is_anchor(path[-1]):
        issuer = None
        for candidate in left:
            if candidate.subject != path[-1].issuer:
                continue
            signatures += 1
            if signatures > _MAX_SIGNATURES:
                raise PathError("the chain has too many certificates of one name")
            if _was_issued_by(path[-1], candidate):
                issuer = candidate
                break
        if issuer is None:
            raise PathError("no TLSA record fits a certificate of the server's chain")
        left.remove(issuer)
        path.append(issuer)
    _check(path, now)
    return path


def is_issued_by(certificate: x509.Certificate, key: PublicKeyTypes) -> bool:
    """Whether a certificate was signed with a key (RFC 7671 §5.2.2: the anchor is a bare key)."""
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    digest = certificate.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            parameters = certificate.signature_algorithm_parameters
            scheme = parameters if isinstance(parameters, padding.PSS) else padding.PKCS1v15()
            key.verify(signature, signed, scheme, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _was_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _check(path: list[x509.Certificate], now: datetime) -> None:
    last = len(path) - 1
    for depth, certificate in enumerate(path):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise PathError(
                f"a certificate is not valid now, but from {certificate.not_valid_before_utc:%Y-%m-%d}"
                f" to {certificate.not_valid_after_utc:%Y-%m-%d}",
                result_type="certificate-expired",
                depth=last,
            )
        if depth and not _may_issue(certificate, below=depth - 1):
            raise PathError("a certificate in the chain is not one of an authority", depth=last)


def _may_issue(certificate: x509.Certificate, *, below: int) -> bool:
    """Whether a certificate is a CA certificate (RFC 5280 §4.2.1.3, §4.2.1.9).

    Args:
        certificate: The certificate.
        below: How many CA certificates are between it and the server's certificate.
    """
    try:
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        # Old private CAs have version 1 certificates; without the extension they are their own
        # anchor.
        return certificate.version is x509.Version.v1 and certificate.issuer == certificate.subject
    if not basic.ca or (basic.path_length is not None and basic.path_length < below):
        return False
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
