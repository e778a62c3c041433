"""Private keys: generated, read from the common formats, and written as PEM.

It reads PEM and DER, PKCS #8 and the older PKCS #1, with or without a passphrase, and the bare
base64 of an Ed25519 seed. A key that cannot sign mail raises a ``PermanentError`` that says why and
never contains the key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from pillarbox.errors import PermanentError
from pillarbox.mailauth.dkim.algorithm import MAX_RSA_BITS, MIN_RSA_BITS, Algorithm, PrivateKey

__all__ = ["DEFAULT_RSA_BITS", "make_private_key", "read_private_key", "write_private_key"]

DEFAULT_RSA_BITS: Final = 2048  # RFC 8301 §3.2; longer ones do not fit one string of a record
_EXPONENT: Final = 65537
_SEED_OCTETS: Final = 32
_MAX_OCTETS: Final = 64 * 1024


def make_private_key(algorithm: Algorithm, rsa_bits: int = DEFAULT_RSA_BITS) -> PrivateKey:
    """Generate a key; RSA takes about a tenth of a second."""
    if algorithm is Algorithm.RSA_SHA256:
        return rsa.generate_private_key(_EXPONENT, rsa_bits)
    return ed25519.Ed25519PrivateKey.generate()


def read_private_key(
    octets: bytes, passphrase: bytes | None = None, *, min_rsa_bits: int = MIN_RSA_BITS
) -> PrivateKey:
    """Read a key file.

    Args:
        octets: What the file holds.
        passphrase: What it is encrypted with.
        min_rsa_bits: The shortest RSA key that is accepted.

    Raises:
        PermanentError: It contains no key that can sign mail.
    """
    if len(octets) > _MAX_OCTETS:
        raise PermanentError("it is too large for a private key")
    if b"-----BEGIN" in octets:
        key = _load(serialization.load_pem_private_key, octets, passphrase)
    else:
        key = _bare(octets, passphrase)
    if isinstance(key, rsa.RSAPrivateKey):
        if not min_rsa_bits <= key.key_size <= MAX_RSA_BITS:
            raise PermanentError(
                f"the RSA key has {key.key_size} bits; {min_rsa_bits} to {MAX_RSA_BITS} are taken"
            )
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise PermanentError("the key is neither RSA nor Ed25519")


def write_private_key(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return a key as PKCS #8 in PEM, encrypted if there is a passphrase."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def _load(
    load: Callable[[bytes, bytes | None], object], octets: bytes, passphrase: bytes | None
) -> object:
    try:
        return load(octets, passphrase)
    except TypeError:  # raised for a missing or an unneeded passphrase
        if passphrase is not None:
            return _load(load, octets, None)
        raise PermanentError("the key is encrypted, and there is no passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        what = "no private key" if passphrase is None else "no private key, or another passphrase"
        raise PermanentError(f"it holds {what}") from None


def _bare(octets: bytes, passphrase: bytes | None) -> object:
    """Read a key without PEM armor: DER, or the base64 of DER or of an Ed25519 seed."""
    with suppress(binascii.Error):  # if not base64, it is DER itself
        octets = base64.b64decode(b"".join(octets.split()), validate=True)
    if len(octets) == _SEED_OCTETS:
        return ed25519.Ed25519PrivateKey.from_private_bytes(octets)
    return _load(serialization.load_der_private_key, octets, passphrase)
