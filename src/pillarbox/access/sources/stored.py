"""The store's credentials as a source: passwords, keys, app passwords, SCRAM, CRAM-MD5.

A key is found by its public prefix and costs microseconds. An unknown user name costs as many
slow hashes as a known one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.directory import Directory
from pillarbox.access.hashes import hash_like, key_matches, matches
from pillarbox.access.node_key import NodeKey
from pillarbox.access.pool import Pool
from pillarbox.policy.autopsy import Cause
from pillarbox.policy.senders import Senders
from pillarbox.smtp.sasl.claims import (
    Claim,
    CramClaim,
    PasswordClaim,
    ProofClaim,
    ProofFailure,
    TokenClaim,
)
from pillarbox.smtp.sasl.scram_verifier import ScramVerifier, parse_verifier
from pillarbox.store.credentials import Credential, CredentialKind, Secret

__all__ = ["SCOPE", "StoredCredentials"]

SCOPE: Final = "send"
"""The scope that a credential needs to log in by SMTP, if it has any."""

_ANY_USER: Final = "apikey"
_BINDING: Final = frozenset({ProofFailure.WRONG_BINDING, ProofFailure.DOWNGRADE})


class StoredCredentials:
    """Judges claims by the directory."""

    def __init__(self, directory: Directory, key: NodeKey, pool: Pool) -> None:
        """Judge by ``directory``; slow hashes run in ``pool``."""
        self.name = "store"
        self._directory = directory
        self._key = key
        self._pool = pool
        self._nobodys = hash_like(None)

    def takes(self, claim: Claim) -> bool:
        """Whether it can judge such a claim: all but tokens."""
        return not isinstance(claim, TokenClaim)

    def at_once(self, claim: Claim) -> Answer | None:
        """Judge by what needs no slow hash."""
        if not self._directory.is_loaded:
            return Denied(Cause.SOURCE_DOWN, self.name)
        if isinstance(claim, ProofClaim):
            return self._by_proof(claim)
        if isinstance(claim, CramClaim):
            return self._by_digest(claim)
        if isinstance(claim, PasswordClaim):
            found = self._by_key(claim)
            if found is not None:
                return found
            if not self._directory.password_secrets:
                return self._unknown(claim.identity)
        return None

    async def judge(self, claim: Claim) -> Answer:
        """Check a chosen password on a thread."""
        if not isinstance(claim, PasswordClaim):
            return Denied(Cause.NOBODY_KNOWN, self.name)
        if self._pool.is_full:
            return Denied(Cause.BUSY, self.name)
        verifiers = [secret.verifier for secret in self._live(claim.identity)]
        rounds = max(self._directory.password_secrets, len(verifiers))
        found = await self._pool.run(self._first_match, verifiers, claim.password, rounds)
        credential = self._directory.get(claim.identity)
        if found is None or credential is None:
            return self._unknown(claim.identity)
        secret = next((each for each in credential.secrets if each.verifier == found), None)
        if secret is None:  # it was changed meanwhile
            return self._unknown(claim.identity)
        return self._admitted(credential, secret, claim.identity)

    def refresh(self) -> bool:
        """Nothing to do: each remembered login is looked up in the directory."""
        return False

    def close(self) -> None:
        """Nothing to give up; the pool is the authenticator's."""

    def verifier(self, user: str) -> ScramVerifier | None:
        """Return what SCRAM needs of a user; None if nothing is kept."""
        secret = self._with_scram(user)
        return parse_verifier(secret.scram) if secret else None

    # --- for the autopsy ------------------------------------------------------------

    def knows(self, user: str) -> bool:
        """Whether the user exists."""
        return self._directory.knows(user)

    def verify(self, user: str, password: str) -> bool:
        """Check a chosen password; slow."""
        return any(matches(secret.verifier, password) for secret in self._live(user))

    # --- inside -------------------------------------------------------------------

    def _by_key(self, claim: PasswordClaim) -> Answer | None:
        directory = self._directory
        credential = directory.by_key(claim.password)
        if credential is None:
            return None
        for secret in credential.secrets:
            if not secret.is_former and key_matches(secret.verifier, claim.password):
                break
        else:
            return None
        if not self._fits(credential, claim.identity):
            return Denied(
                Cause.OTHER_CREDENTIAL,
                self.name,
                f"the user name is `{claim.identity}`",
                credential.name,
            )
        return self._admitted(credential, secret, claim.identity)

    def _fits(self, credential: Credential, user: str) -> bool:
        """Whether a user name goes with a key: its own, any that means nobody else."""
        if user in {credential.name, credential.account} or user.casefold() == _ANY_USER:
            return True
        if credential.kind is not CredentialKind.KEY:
            return False
        return not self._directory.knows(user)

    def _by_proof(self, claim: ProofClaim) -> Answer:
        credential = self._directory.get(claim.identity)
        secret = self._with_scram(claim.identity)
        if claim.failure in _BINDING:
            return Denied(Cause.BAD_BINDING, self.name, credential=claim.identity)
        if credential is None:
            return Denied(Cause.UNKNOWN_USER, self.name)
        if secret is None:
            if any(each.is_valid(self._directory.now()) for each in credential.secrets):
                return Denied(Cause.NO_VERIFIER, self.name, credential=credential.name)
            return self._unknown(claim.identity)
        if claim.failure is not None:
            return Denied(Cause.BAD_PROOF, self.name, credential=credential.name)
        return self._admitted(credential, secret, claim.identity)

    def _by_digest(self, claim: CramClaim) -> Answer:
        credential = self._directory.get(claim.identity)
        now = self._directory.now()
        sealed = [
            secret
            for secret in (credential.secrets if credential else ())
            if secret.sealed and secret.is_valid(now)
        ]
        for secret in sealed:
            password = self._key.unseal(claim.identity, secret.sealed)
            if password is not None and claim.matches(password) and credential is not None:
                return self._admitted(credential, secret, claim.identity)
        if credential is None:
            claim.matches("")  # the same work for nobody
            return Denied(Cause.UNKNOWN_USER, self.name)
        if not sealed and credential.revoked_at is None:
            return Denied(Cause.NO_VERIFIER, self.name, credential=credential.name)
        return self._unknown(claim.identity)

    def _admitted(self, credential: Credential, secret: Secret, user: str) -> Answer:
        directory, name = self._directory, credential.name
        if credential.revoked_at is not None:
            return Denied(Cause.REVOKED, self.name, "", name, credential.revoked_at)
        if not directory.is_valid(name, secret):
            ended = secret.ends_at if credential.expires_at is None else credential.expires_at
            return Denied(Cause.EXPIRED, self.name, "", name, ended)
        if credential.scopes and SCOPE not in credential.scopes:
            return Denied(Cause.NO_SCOPE, self.name, ", ".join(credential.scopes), name)
        return Admitted(
            identity=credential.account or name,
            source=self.name,
            credential=name,
            claimed=user,
            senders=_senders(credential.senders),
            project=credential.project,
            is_sandbox=credential.is_sandbox,
            scopes=credential.scopes,
            is_valid=lambda: directory.is_valid(name, secret),
        )

    def _unknown(self, user: str) -> Denied:
        if not self._directory.knows(user):
            return Denied(Cause.UNKNOWN_USER, self.name)
        credential = self._directory.get(user)
        if credential is not None and credential.revoked_at is not None:
            return Denied(Cause.REVOKED, self.name, "", user, credential.revoked_at)
        return Denied(Cause.WRONG_SECRET, self.name, credential=user)

    def _live(self, user: str) -> list[Secret]:
        """Return the secrets of a user that were chosen, and are valid."""
        credential = self._directory.get(user)
        if credential is None or credential.revoked_at is not None:
            return []
        now = self._directory.now()
        return [each for each in credential.secrets if each.is_valid(now) and not each.prefix]

    def _with_scram(self, user: str) -> Secret | None:
        credential = self._directory.get(user)
        if credential is None or credential.revoked_at is not None:
            return None
        now = self._directory.now()
        usable = (each for each in credential.secrets if each.scram and each.is_valid(now))
        return next(usable, None)

    def _first_match(self, verifiers: list[str], password: str, rounds: int) -> str | None:
        """Return the verifier that a password fits, after ``rounds`` checks in any case."""
        found = None
        for number in range(rounds):
            verifier = verifiers[number] if number < len(verifiers) else self._nobodys
            if matches(verifier, password) and number < len(verifiers):
                found = verifier
        return found


@lru_cache(maxsize=4096)
def _senders(patterns: tuple[str, ...]) -> Senders:
    return Senders(patterns)
