"""What a server stores to check SCRAM-SHA-256, useless to a thief for logging in.

RFC 5802 §3 (the keys), RFC 7677 (SHA-256, at least 4096 iterations), RFC 5803 §2 (the text).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from dataclasses import dataclass, field
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.smtp.sasl.saslprep import saslprep

__all__ = [
    "DEFAULT_ITERATIONS",
    "MIN_ITERATIONS",
    "ScramVerifier",
    "fake_verifier",
    "make_verifier",
    "parse_verifier",
    "salted_password",
]

MIN_ITERATIONS: Final = 4096  # RFC 7677 §4
DEFAULT_ITERATIONS: Final = 10_000
"""Each client does this work at each login, so it is less than what a password hash costs;
the verifiers have to be kept as carefully as passwords."""

_SALT_OCTETS: Final = 16
_TEXT: Final = re.compile(
    r"SCRAM-SHA-256\$([1-9][0-9]{0,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)"
)


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """A stored credential for SCRAM-SHA-256."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def __str__(self) -> str:
        """Return the text to store: ``SCRAM-SHA-256$iterations:salt$stored:server``."""
        salt, stored, server = (
            b64encode(value).decode("ascii")
            for value in (self.salt, self.stored_key, self.server_key)
        )
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"


def parse_verifier(text: str) -> ScramVerifier:
    """Parse a stored verifier.

    Raises:
        PermanentError: The text is not a verifier.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise PermanentError("not a SCRAM-SHA-256 verifier")
    try:
        salt, stored, server = (b64decode(found[group], validate=True) for group in (2, 3, 4))
    except BinasciiError:
        raise PermanentError("not a SCRAM-SHA-256 verifier") from None
    if len(stored) != hashlib.sha256().digest_size or len(server) != len(stored):
        raise PermanentError("not a SCRAM-SHA-256 verifier: its keys have another length")
    return ScramVerifier(salt, int(found[1]), stored, server)


def make_verifier(
    password: str, salt: bytes, iterations: int = DEFAULT_ITERATIONS
) -> ScramVerifier:
    """Return the verifier of a password.

    Args:
        password: Prepared by SASLprep here.
        salt: Random octets, 16 or more, made for this credential.
        iterations: Rounds of PBKDF2; 10,000 take some 5 ms.

    Raises:
        PermanentError: SASLprep does not allow the password.
    """
    salted = salted_password(saslprep(password, is_stored=True), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return ScramVerifier(
        salt,
        iterations,
        hashlib.sha256(client_key).digest(),
        hmac.digest(salted, b"Server Key", "sha256"),
    )


def fake_verifier(
    identity: str, secret: bytes, iterations: int = DEFAULT_ITERATIONS
) -> ScramVerifier:
    """Return a verifier that matches no password, the same one each time for an identity.

    A salt that changed, or was missing, would reveal that the identity is unknown.

    Args:
        identity: The identity that the client claims.
        secret: A key of this installation, the same for all its nodes and after a restart.
        iterations: As in real verifiers here.
    """
    name = identity.encode("utf-8", "surrogatepass")
    salt, stored, server = (
        hmac.digest(secret, purpose + b"\0" + name, "sha256")
        for purpose in (b"scram salt", b"scram stored key", b"scram server key")
    )
    return ScramVerifier(salt[:_SALT_OCTETS], iterations, stored, server)


def salted_password(prepared: str, salt: bytes, iterations: int) -> bytes:
    """Return Hi() of a prepared password (RFC 5802 §2.2)."""
    return hashlib.pbkdf2_hmac("sha256", prepared.encode("utf-8"), salt, iterations)
