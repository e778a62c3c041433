"""Logins for lab servers: a few users with passwords in memory, and every mechanism."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from pillarbox.smtp.sasl.claims import (
    Claim,
    CramClaim,
    PasswordClaim,
    ProofClaim,
    ScramRequest,
    TokenClaim,
)
from pillarbox.smtp.sasl.scram_verifier import (
    MIN_ITERATIONS,
    ScramVerifier,
    fake_verifier,
    make_verifier,
)

__all__ = ["LabLogins"]


@dataclass(slots=True)
class LabLogins:
    """Who may log in, and how; what was claimed is kept for people who look on."""

    passwords: Mapping[str, str] = field(default_factory=dict)  # by user
    tokens: Mapping[str, str] = field(default_factory=dict)  # by user; of "" if it names none
    claims: list[Claim] = field(default_factory=list)

    def accepts(self, claim: Claim) -> bool:
        """Judge a claim."""
        self.claims.append(claim)
        match claim:
            case PasswordClaim():
                return self.passwords.get(claim.identity) == claim.password
            case TokenClaim():
                return bool(claim.token) and self.tokens.get(claim.identity) == claim.token
            case CramClaim():
                password = self.passwords.get(claim.identity)
                return password is not None and claim.matches(password)
            case ProofClaim():
                return claim.is_proven

    def verifier(self, request: ScramRequest) -> ScramVerifier:
        """Return what SCRAM is checked with; the salt is made anew each time."""
        password = self.passwords.get(request.identity)
        salt = secrets.token_bytes(16)
        if password is None:
            return fake_verifier(request.identity, salt, MIN_ITERATIONS)
        return make_verifier(password, salt, MIN_ITERATIONS)
