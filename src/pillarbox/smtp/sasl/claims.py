"""What a server mechanism asks its owner, who alone knows the users.

A *claim* ends an exchange: the client says who it is and presents evidence, and the owner says
whether that is true and whether the client may log in. A *request* asks for something that the
mechanism needs to continue. Both are values; neither shows a secret when it is printed.

Whoever answers must make unknown and known users indistinguishable: same text, same time.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from pillarbox.smtp.sasl.scram_verifier import ScramVerifier

__all__ = [
    "Claim",
    "CramClaim",
    "PasswordClaim",
    "ProofClaim",
    "ProofFailure",
    "ScramRequest",
    "ScramVerifier",
    "TokenClaim",
]


@dataclass(frozen=True, slots=True)
class PasswordClaim:
    """Is this the password of that identity, and may it act as the other? (PLAIN, LOGIN)."""

    authorization_identity: str  # "" if the client gave none
    identity: str
    password: str

    def __repr__(self) -> str:
        return f"PasswordClaim({self.identity!r}, password=***)"


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """Does this bearer token let that identity log in? (OAUTHBEARER, XOAUTH2)."""

    authorization_identity: ClassVar[str] = ""

    identity: str  # the identity that the client claims for the token; "" if it says nothing
    token: str
    host: str = ""  # the server that the client means to reach; "" and 0 if it does not say
    port: int = 0

    def __repr__(self) -> str:
        return f"TokenClaim({self.identity!r}, token=***)"


@dataclass(frozen=True, slots=True)
class CramClaim:
    """Was this digest made of our challenge with the password of that identity? (CRAM-MD5).

    To answer, the owner needs the password itself; for an unknown identity it should compare with
    some other password, so that the work is the same.
    """

    authorization_identity: ClassVar[str] = ""

    identity: str
    challenge: bytes
    digest: str

    def matches(self, password: str) -> bool:
        """Whether the digest was made with this password (RFC 2195 §2)."""
        made = hmac.new(password.encode("utf-8"), self.challenge, hashlib.md5).hexdigest()
        return hmac.compare_digest(made, self.digest)

    def __repr__(self) -> str:
        return f"CramClaim({self.identity!r}, digest=***)"


class ProofFailure(Enum):
    """Why a proof failed. The values are reasons for the operator, not for the client."""

    WRONG_PROOF = "unknown user or wrong password"
    WRONG_NONCE = "the client answered with another nonce than the one it was given"
    WRONG_BINDING = "the channel binding is of another connection: somebody may stand between"
    UNKNOWN_BINDING = "the client asks for a channel binding that is not offered"
    DOWNGRADE = (
        "the client was not shown that channel binding is offered: somebody may stand between"
    )


@dataclass(frozen=True, slots=True)
class ProofClaim:
    """The client has proved, or failed to prove, that it knows the password (SCRAM).

    The mechanism has verified the proof; a failed one cannot be accepted. For a valid one the owner
    decides whether the identity may (still) log in, and act as the other.
    """

    authorization_identity: str  # "" if the client gave none
    identity: str
    failure: ProofFailure | None = None

    @property
    def is_proven(self) -> bool:
        """Whether the proof is valid."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class ScramRequest:
    """Which verifier is stored for that identity? (SCRAM-SHA-256).

    For an identity that is unknown, or has no verifier, the owner answers with ``fake_verifier``.
    """

    authorization_identity: str  # "" if the client gave none
    identity: str


Claim = PasswordClaim | TokenClaim | CramClaim | ProofClaim
