"""The two signature algorithms, and bounds on their keys (RFC 8301, RFC 8463).

Keys published by strangers are validated before use, so a large modulus or exponent cannot cost
time. A fault is an ``Unverifiable``; a private key that cannot be used is a ``PermanentError``.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils

from pillarbox.errors import PermanentError
from pillarbox.mailauth.dkim.outcome import Result, Unverifiable

__all__ = [
    "MAX_RSA_BITS",
    "MIN_RSA_BITS",
    "Algorithm",
    "PrivateKey",
    "PublicKey",
    "algorithm_of",
    "key_bits",
    "load_public_key",
    "public_octets",
    "sign_digest",
    "verify_digest",
]

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey

MIN_RSA_BITS: Final = 1024  # RFC 8301 §3.2: shorter keys are never valid
MAX_RSA_BITS: Final = 4096  # the longest that verifiers must support (same section)
_MAX_KEY_OCTETS: Final = 1100  # an RSA key of 8,192 bits in DER; longer ones are not even parsed
_MAX_EXPONENT: Final = 2**32  # a real one has 17 bits; the cost of a check grows with it
_ED25519_OCTETS: Final = 32  # RFC 8032 §5.1.5
_ED25519_BITS: Final = 256
_PADDING: Final = padding.PKCS1v15()
_PREHASHED: Final = utils.Prehashed(hashes.SHA256())


class Algorithm(Enum):
    """A signature algorithm, with the names of the tag a=."""

    RSA_SHA256 = "rsa-sha256"
    ED25519_SHA256 = "ed25519-sha256"  # RFC 8463 §3

    @property
    def key_type(self) -> str:
        """The tag k= of keys for it."""
        return self.value.partition("-")[0]


def algorithm_of(key: PrivateKey) -> Algorithm:
    """Return the algorithm that a private key signs with."""
    if isinstance(key, rsa.RSAPrivateKey):
        return Algorithm.RSA_SHA256
    return Algorithm.ED25519_SHA256


def key_bits(key: PrivateKey | PublicKey) -> int:
    """Return the size of a key in bits."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return key.key_size
    return _ED25519_BITS


def public_octets(key: PrivateKey) -> bytes:
    """Return the public half of a private key as in p=, before base64.

    RSA is a SubjectPublicKeyInfo in DER (RFC 6376 §3.6.1), Ed25519 its 32 octets (RFC 8463 §4).
    """
    if isinstance(key, rsa.RSAPrivateKey):
        return key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return key.public_key().public_bytes_raw()


def load_public_key(key_type: str, octets: bytes) -> PublicKey:
    """Return the key that a record holds.

    Args:
        key_type: The tag k=: ``rsa`` or ``ed25519``.
        octets: The tag p=, decoded.

    Raises:
        Unverifiable: It contains no usable key.
    """
    if key_type == Algorithm.ED25519_SHA256.key_type:
        if len(octets) != _ED25519_OCTETS:
            raise Unverifiable(
                Result.PERMANENT_ERROR,
                f"the key is {len(octets)} octets long; Ed25519 keys are {_ED25519_OCTETS}",
            )
        return ed25519.Ed25519PublicKey.from_public_bytes(octets)
    if len(octets) > _MAX_KEY_OCTETS:
        raise Unverifiable(
            Result.PERMANENT_ERROR, f"the RSA key is longer than {MAX_RSA_BITS} bits"
        )
    try:
        # RFC 6376 §3.6.1 says SubjectPublicKeyInfo; some publish the bare RSAPublicKey, and OpenSSL
        # reads both.
        key = serialization.load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Unverifiable(Result.PERMANENT_ERROR, "p= holds no RSA key")
    return _bounded(key)


def _bounded(key: rsa.RSAPublicKey) -> rsa.RSAPublicKey:
    if key.key_size < MIN_RSA_BITS:
        raise Unverifiable(
            Result.FAIL,
            f"the RSA key has {key.key_size} bits; less than {MIN_RSA_BITS} prove nothing "
            "(RFC 8301 §3.2)",
        )
    if key.key_size > MAX_RSA_BITS:
        raise Unverifiable(
            Result.PERMANENT_ERROR,
            f"the RSA key has {key.key_size} bits; at most {MAX_RSA_BITS} are read",
        )
    if key.public_numbers().e > _MAX_EXPONENT:
        raise Unverifiable(Result.PERMANENT_ERROR, "the exponent of the RSA key is too large")
    return key


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    """Sign a SHA-256 digest; RSA lets other threads run meanwhile.

    Raises:
        PermanentError: The key cannot sign.
    """
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(digest, _PADDING, _PREHASHED)
        return key.sign(digest)  # RFC 8463 §3: PureEdDSA over the digest
    except ValueError as error:
        raise PermanentError(f"the key cannot sign: {error}") from error


def verify_digest(key: PublicKey, signature: bytes, digest: bytes) -> bool:
    """Return whether a signature of a SHA-256 digest was made with the key's private half."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, _PADDING, _PREHASHED)
        else:
            key.verify(signature, digest)
    except InvalidSignature:
        return False
    return True
