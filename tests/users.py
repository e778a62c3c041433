"""A few users, and the answers of an owner who knows them to claims and lookups."""

from __future__ import annotations

from base64 import b64decode

from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.claims import (
    Claim,
    CramClaim,
    PasswordClaim,
    ScramRequest,
    TokenClaim,
)
from pillarbox.smtp.sasl.scram_verifier import ScramVerifier, fake_verifier, make_verifier

PASSWORDS = {"user": "pencil", "tim": "tanstaaftanstaaf"}
TOKENS = {"user": "ya29.good", "": "ya29.good"}
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")  # RFC 7677 §3
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"  # the server's, there
CHANNEL_BINDING = bytes(range(32))

WRONG = Reply.of(535, "5.7.8", "Authentication credentials invalid")


def judge_claim(claim: Claim) -> Reply | None:
    """Return why a claim is refused, None if it holds."""
    match claim:
        case PasswordClaim():
            is_right = PASSWORDS.get(claim.identity) == claim.password
        case TokenClaim():
            is_right = TOKENS.get(claim.identity) == claim.token
        case CramClaim():
            is_right = claim.matches(PASSWORDS.get(claim.identity, "nobody's"))
        case _:
            is_right = claim.is_proven
    return None if is_right else WRONG


def verifier(request: ScramRequest) -> ScramVerifier:
    """Return what is kept of a user, or what is made up for somebody else."""
    password = PASSWORDS.get(request.identity)
    if password is None:
        return fake_verifier(request.identity, b"a key of the tests", 4096)
    return make_verifier(password, SALT, 4096)
