"""Authenticates logins: asks the user sources in order, and caches what was verified.

A client learns only whether the login succeeds: an unknown user, a wrong password and an overlong
one get the same reply in the same time. A verified password is cached in memory as a keyed hash,
because the real check takes up to 100 ms and programs log in for every message; the entry is
dropped when its source changes. (RFC 4954; RFC 9106 for argon2id.)
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.pool import Pool
from pillarbox.access.sources.port import Source
from pillarbox.access.sources.stored import StoredCredentials
from pillarbox.errors import PillarboxError
from pillarbox.policy.autopsy import Cause
from pillarbox.smtp.sasl.claims import Claim, PasswordClaim, TokenClaim
from pillarbox.smtp.sasl.scram_verifier import ScramVerifier, fake_verifier

__all__ = ["Authenticator"]

_REMEMBERED: Final = 10_000


class Authenticator:
    """Verifies login claims."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        pool: Pool,
        cache_seconds: float,
        scram_key: bytes,
        on_defect: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        """Ask ``sources`` in this order.

        Args:
            sources: The user sources.
            pool: The threads that hash passwords; closed with this object.
            cache_seconds: How long a login is remembered.
            scram_key: Makes SCRAM data for unknown users indistinguishable from that for known
                ones.
            on_defect: Called if a source fails unexpectedly.
        """
        self.sources = tuple(sources)
        self._pool = pool
        self._cache_seconds = cache_seconds
        self._scram_key = scram_key
        self._on_defect = on_defect
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, tuple[float, Admitted]] = {}  # with their expiry

    @property
    def has_users(self) -> bool:
        """Whether anybody can log in, so that AUTH is worth offering."""
        return bool(self.sources)

    def check(self, claim: Claim, *, now: float) -> Answer | asyncio.Future[Answer]:
        """Decide about a login, immediately if possible.

        Args:
            claim: The client's claim, which is not passed anywhere else.
            now: The monotonic clock, seconds.
        """
        has_changed = False
        for source in self.sources:
            has_changed |= source.refresh()
        if has_changed:
            self._remembered.clear()
        secret = self._keyed(claim)
        known = self._remembered.get(secret)
        if known is not None and known[0] > now and known[1].is_valid():
            return _as_itself(claim, known[1])
        denials: list[Denied] = []
        for number, source in enumerate(self.sources):
            if not source.takes(claim):
                continue
            answer = source.at_once(claim)
            if answer is None:
                waiting = self.sources[number:]
                return asyncio.ensure_future(self._ask(claim, waiting, denials, secret, now))
            if isinstance(answer, Admitted):
                return self._admit(claim, answer, secret, now)
            denials.append(answer)
        return _denied(denials)

    def verifier(self, identity: str) -> ScramVerifier:
        """Return a user's SCRAM verifier; for unknown users, a fake one that looks the same."""
        for source in self.sources:
            if isinstance(source, StoredCredentials):
                kept = source.verifier(identity)
                if kept is not None:
                    return kept
        return fake_verifier(identity, self._scram_key)

    def close(self) -> None:
        """Stop the threads; waiting logins are no longer decided."""
        for source in self.sources:
            source.close()
        self._pool.close()

    async def _ask(
        self,
        claim: Claim,
        sources: Sequence[Source],
        denials: list[Denied],
        secret: bytes,
        now: float,
    ) -> Answer:
        for source in sources:
            if not source.takes(claim):
                continue
            answer = source.at_once(claim) or await self._judged(source, claim)
            if isinstance(answer, Admitted):
                return self._admit(claim, answer, secret, now)
            denials.append(answer)
        return _denied(denials)

    async def _judged(self, source: Source, claim: Claim) -> Answer:
        try:
            return await source.judge(claim)
        except PillarboxError as error:
            return Denied(Cause.SOURCE_DOWN, source.name, str(error))
        except Exception as error:  # noqa: BLE001 - a defect lets nobody in, and is told of
            if self._on_defect is not None:
                self._on_defect(f"source of users {source.name}", error)
            return Denied(Cause.SOURCE_DOWN, source.name, "it has a defect; the log has more")

    def _admit(self, claim: Claim, admitted: Admitted, secret: bytes, now: float) -> Answer:
        if isinstance(claim, PasswordClaim | TokenClaim):
            self._remembered.pop(secret, None)
            if len(self._remembered) >= _REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[secret] = (now + self._cache_seconds, admitted)
        return _as_itself(claim, admitted)

    def _keyed(self, claim: Claim) -> bytes:
        if isinstance(claim, PasswordClaim):
            text = f"password\0{claim.identity}\0{claim.password}"
        elif isinstance(claim, TokenClaim):
            text = f"token\0{claim.identity}\0{claim.token}"
        else:
            return b""
        octets = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(octets, key=self._key, digest_size=32).digest()


def _as_itself(claim: Claim, admitted: Admitted) -> Answer:
    """Admit the client as itself; acting as another user is not allowed (RFC 4616 §2)."""
    wanted = claim.authorization_identity
    if wanted and wanted not in {claim.identity, admitted.identity, admitted.credential}:
        return Denied(Cause.OTHER_IDENTITY, admitted.source, credential=admitted.identity)
    if claim.identity and claim.identity != admitted.claimed:
        return replace(admitted, claimed=claim.identity)
    return admitted


def _denied(denials: Sequence[Denied]) -> Denied:
    """Return the most specific denial; if a source is down, the result stays open."""
    if not denials:
        return Denied(Cause.NOBODY_KNOWN)
    for denied in denials:
        if denied.is_temporary:
            return denied
    known = (each for each in denials if each.cause is not Cause.UNKNOWN_USER)
    return next(known, denials[0])
