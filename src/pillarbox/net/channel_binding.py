"""The channel binding of a TLS connection, derived from the server's certificate (RFC 5929 §4).

It is the same in all versions of TLS, and can be computed from the certificate alone; an ADR
explains the choice.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

__all__ = ["server_end_point"]


@lru_cache(maxsize=64)  # a listener uses the same few
def server_end_point(certificate: bytes) -> bytes | None:
    """Return the tls-server-end-point of a server's certificate.

    Args:
        certificate: In DER.

    Returns:
        The hash, or None if RFC 5929 defines none: the certificate's signature uses no hash
        function (Ed25519), or an unknown one.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        algorithm = parsed.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    # RFC 5929 §4.1: MD5 and SHA-1 are too weak; SHA-256 takes their place.
    if isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        algorithm = hashes.SHA256()
    return parsed.fingerprint(algorithm)
