"""Stored forms of a secret, from which it can be verified but not recovered.

=================================  =============================================================
``$argon2id$v=19$m=...$salt$hash``  a password that somebody chose (RFC 9106)
``$sha256$hash``                    a key or app password: 256 random bits need no slow hash
``$former$...``                     either, once it is no longer valid: its hash, hashed again
                                    under the node's key, so that the store alone tells nothing
=================================  =============================================================

A check of argon2id takes some 30 ms to 100 ms: call ``matches`` on a thread for those.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from typing import Final

import argon2
from argon2.low_level import Type, hash_secret_raw

from pillarbox.errors import PermanentError

__all__ = [
    "ARGON2_PREFIX",
    "LONGEST_SECRET",
    "PasswordHasher",
    "former_matches",
    "hash_key",
    "hash_like",
    "key_matches",
    "make_former",
    "matches",
    "parse_argon2",
]

ARGON2_PREFIX: Final = "$argon2id$"
LONGEST_SECRET: Final = 1024
"""Octets of a password; hashing more would be work on a stranger's order."""

_KEY: Final = "$sha256$"
_FORMER: Final = "$former$"
_VERIFIER: Final = argon2.PasswordHasher()  # checks by the parameters of each hash
_NOBODYS: Final = "a password that nobody has"

PasswordHasher: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's parameters: 19 MiB, two passes, one lane. A check takes some 27 ms."""


def hash_key(secret: str) -> str:
    """Return what is kept of a secret with 128 random bits or more."""
    return _KEY + hashlib.sha256(secret.encode()).hexdigest()


def key_matches(verifier: str, secret: str) -> bool:
    """Whether a secret is the one of which ``hash_key`` was kept; takes a microsecond."""
    made = _KEY + hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(verifier.encode(), made.encode())


def matches(verifier: str, secret: str) -> bool:
    """Whether a secret is the one that a verifier (not a former one) was made of."""
    octets = secret.encode("utf-8", "surrogatepass")
    if len(octets) > LONGEST_SECRET:
        octets = b""  # the same work, and never right
    if verifier.startswith(_KEY):
        return key_matches(verifier, secret)
    try:
        _VERIFIER.verify(verifier, octets)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return bool(octets)


def parse_argon2(text: str) -> argon2.Parameters:
    """Return the parameters of an argon2id hash.

    Raises:
        PermanentError: It is none.
    """
    if not text.startswith(ARGON2_PREFIX):
        raise PermanentError("not an argon2id hash")
    try:
        return argon2.extract_parameters(text)
    except argon2.exceptions.InvalidHashError:
        raise PermanentError("not an argon2id hash") from None


def hash_like(verifier: str | None) -> str:
    """Return a hash that nobody's password has, as costly to check as another one."""
    hasher = PasswordHasher
    if verifier is not None:
        hasher = argon2.PasswordHasher.from_parameters(parse_argon2(verifier))
    return hasher.hash(_NOBODYS)


def make_former(verifier: str, key: bytes) -> str:
    """Return what is kept of a verifier once it is no longer valid.

    Args:
        verifier: Of a password or a key.
        key: The node's key for this purpose.
    """
    settings, _, digest = verifier.rpartition("$")
    return f"{_FORMER}{settings.removeprefix('$')}${_keyed(digest, key)}"


def former_matches(former: str, secret: str, key: bytes) -> bool:
    """Whether a secret is the one of which ``make_former`` was kept.

    For a password this takes as long as ``matches``.
    """
    settings, _, digest = former.removeprefix(_FORMER).rpartition("$")
    made = _digest(f"${settings}", secret)
    return made is not None and hmac.compare_digest(digest, _keyed(made, key))


def _digest(settings: str, secret: str) -> str | None:
    """Return the last field of a verifier with these settings, made of a secret."""
    if settings == _KEY.rstrip("$"):
        return hash_key(secret).rpartition("$")[2]
    octets = secret.encode("utf-8", "surrogatepass")
    if not octets or len(octets) > LONGEST_SECRET:
        return None
    try:
        # The parameters are read off a hash: any will do in the place of the one that went.
        parameters = parse_argon2(f"{settings}${'A' * 43}")
        salt = b64decode(_padded(settings.rpartition("$")[2]))
    except (PermanentError, BinasciiError):
        return None
    raw = hash_secret_raw(
        octets,
        salt,
        time_cost=parameters.time_cost,
        memory_cost=parameters.memory_cost,
        parallelism=parameters.parallelism,
        hash_len=parameters.hash_len,
        type=Type.ID,
        version=parameters.version,
    )
    return b64encode(raw).decode("ascii").rstrip("=")


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _keyed(digest: str, key: bytes) -> str:
    return hashlib.blake2b(digest.encode(), key=key, digest_size=32).hexdigest()
