"""Finds out in the background why a login was refused, by trying likely corrections.

It starts after the client has its answer, on one low-priority thread, with a bounded number of
slow hashes per login and a bounded queue of logins; beyond those bounds the operator gets less
detail. A login that fails repeatedly is examined once. Only local sources are tried: a directory
server would count the attempts and lock the account.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from pillarbox.access.answers import Denied
from pillarbox.access.directory import Directory
from pillarbox.access.hashes import LONGEST_SECRET, former_matches, matches
from pillarbox.access.issue import prefix_of
from pillarbox.access.pool import Pool
from pillarbox.access.sources.passwd_file import PasswdFile
from pillarbox.access.sources.port import Examinable, Source
from pillarbox.access.sources.stored import StoredCredentials
from pillarbox.policy.autopsy import Autopsy, Cause, Repair, looks_like_token, repaired
from pillarbox.smtp.sasl.claims import Claim, PasswordClaim
from pillarbox.store.credentials import Credential, Secret

__all__ = ["Examiner"]

_WAITING: Final = 100  # logins
_SLOW_CHECKS: Final = 8  # of a login
_FORMER_CHECKS: Final = 3
_REMEMBERED: Final = 2_000
_NICE: Final = 10
_MOST_NAMES: Final = 20_000  # that are looked through for one that is nearly the same
_MOST_COMPARED: Final = 200
_MOST_DIFFERENCE: Final = 2  # characters in the length of names that are compared
_UNCLEAR: Final = frozenset({Cause.UNKNOWN_USER, Cause.WRONG_SECRET, Cause.REVOKED, Cause.EXPIRED})


class Examiner:
    """Finds out what was wrong with a login."""

    def __init__(
        self, sources: Sequence[Source], directory: Directory | None, former_key: bytes
    ) -> None:
        """Examine with the local ones of ``sources``.

        Args:
            sources: Who knows users.
            directory: The credentials of the store; None where there is no store.
            former_key: Under which former secrets are hashed.
        """
        self._tried: tuple[Examinable, ...] = tuple(
            source for source in sources if isinstance(source, StoredCredentials | PasswdFile)
        )
        self._files = tuple(source for source in sources if isinstance(source, PasswdFile))
        self._directory = directory
        self._former_key = former_key
        self._pool = Pool(1, "autopsy", waiting=_WAITING, initializer=_step_back)
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, Autopsy] = {}

    def knows(self, user: str) -> bool:
        """Whether a user name belongs to somebody, so that it can be shown."""
        return any(source.knows(user) for source in self._tried)

    def at_once(self, claim: Claim, denied: Denied) -> Autopsy | None:
        """Return the cause if it is clear without trying anything, else None."""
        if not isinstance(claim, PasswordClaim) or denied.cause not in _UNCLEAR:
            return _as_told(denied)
        if len(claim.password.encode("utf-8", "surrogatepass")) > LONGEST_SECRET:
            return Autopsy(cause=Cause.TOO_LONG)
        return self._known.get(self._keyed(claim))

    async def examine(self, claim: Claim, denied: Denied) -> tuple[Autopsy, bool]:
        """Return what was wrong, and whether a full examination was possible.

        Args:
            claim: The client's claim.
            denied: The denial.
        """
        known = self.at_once(claim, denied)
        if known is not None:
            return known, True
        if not isinstance(claim, PasswordClaim) or self._pool.is_full:
            return _as_told(denied), False
        autopsy = await self._pool.run(self._look, claim.identity, claim.password, denied)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[self._keyed(claim)] = autopsy
        return autopsy, True

    def close(self) -> None:
        """Give up the thread."""
        self._pool.close()

    def _keyed(self, claim: PasswordClaim) -> bytes:
        generation = self._directory.generation if self._directory else 0
        text = f"{generation}\0{claim.identity}\0{claim.password}"
        octets = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(octets, key=self._key, digest_size=32).digest()

    # --- on the thread ------------------------------------------------------------

    def _look(self, user: str, secret: str, denied: Denied) -> Autopsy:
        repairs = tuple(self._repairs(user, secret))
        return (
            self._by_key(user, secret, repairs)
            or self._by_password(repairs)
            or self._former_password(user, secret)
            or self._unexplained(user, secret, denied)
        )

    def _repairs(self, user: str, secret: str) -> Iterator[Repair]:
        spelled = self._as_spelled(user)
        if spelled != user:
            yield Repair(Cause.CASE_OF_USER, spelled, secret)
        for repair in repaired(user, secret):
            yield Repair(repair.cause, self._as_spelled(repair.user), repair.secret)
        if "@" not in user:
            for name in self._names():
                if name.partition("@")[0] == user and name != user:
                    yield Repair(Cause.FULL_ADDRESS, name, secret)

    def _by_key(self, user: str, secret: str, repairs: Sequence[Repair]) -> Autopsy | None:
        """Explain a key or an app password; checks are fast, so all corrections can be tried."""
        directory = self._directory
        if directory is None:
            return None
        unrepaired = Repair(Cause.WRONG_SECRET, user, secret)
        for repair in (unrepaired, *repairs):
            credential = directory.by_key(repair.secret)
            if credential is None:
                continue
            prefix = prefix_of(repair.secret)
            kept = next((each for each in credential.secrets if each.prefix == prefix), None)
            if kept is None or not self._is(kept, repair.secret):
                continue
            if kept.is_former or not directory.is_valid(credential.name, kept):
                return _ended(credential, kept)
            if repair is unrepaired:
                return None  # it would be accepted now: it was changed meanwhile
            return Autopsy(cause=repair.cause, credential=credential.name)
        near = directory.by_key(secret.strip())
        if near is not None and prefix_of(secret.strip()):
            return Autopsy(cause=Cause.CUT_OFF, credential=near.name)
        return None

    def _by_password(self, repairs: Sequence[Repair]) -> Autopsy | None:
        left = _SLOW_CHECKS
        for repair in repairs:
            for source in self._tried:
                if not source.knows(repair.user):
                    continue
                if not left:
                    return None
                left -= 1
                if source.verify(repair.user, repair.secret):
                    return Autopsy(cause=repair.cause, credential=repair.user)
        return None

    def _former_password(self, user: str, secret: str) -> Autopsy | None:
        directory = self._directory
        credential = directory.get(user) if directory else None
        if directory is not None and credential is not None:
            chosen = (each for each in credential.secrets if not each.prefix)
            former = [each for each in chosen if not directory.is_valid(user, each)]
            for each in former[:_FORMER_CHECKS]:
                if self._is(each, secret):
                    return _ended(credential, each)
        for source in self._files:
            known = source.users.former(user, secret)
            if known is not None:
                detail = f"changed in {source.name}"
                return Autopsy(
                    cause=Cause.FORMER_SECRET,
                    credential=user,
                    detail=detail,
                    changed_at=known.changed_at,
                )
        return None

    def _unexplained(self, user: str, secret: str, denied: Denied) -> Autopsy:
        if looks_like_token(secret):
            return Autopsy(cause=Cause.TOKEN_AS_PASSWORD)
        if denied.cause is not Cause.UNKNOWN_USER:
            return _as_told(denied)
        # Comparing is slow and blocks the event loop, so only similar lengths are compared.
        alike = [
            name
            for name in self._names()
            if name[:1] == user[:1] and abs(len(name) - len(user)) <= _MOST_DIFFERENCE
        ]
        near = difflib.get_close_matches(user, alike[:_MOST_COMPARED], n=1, cutoff=0.8)
        return Autopsy(
            cause=Cause.UNKNOWN_USER, detail=f"there is `{near[0]}`, though" if near else ""
        )

    # --- what is kept ---------------------------------------------------------------

    def _is(self, kept: Secret, secret: str) -> bool:
        if kept.is_former:
            return former_matches(kept.verifier, secret, self._former_key)
        return matches(kept.verifier, secret)

    def _as_spelled(self, user: str) -> str:
        return self._directory.as_spelled(user) if self._directory else user

    def _names(self) -> Sequence[str]:
        names = tuple(self._directory.users()) if self._directory else ()
        return names if len(names) <= _MOST_NAMES else ()


def _as_told(denied: Denied) -> Autopsy:
    return Autopsy(
        cause=denied.cause,
        credential=denied.credential,
        detail=denied.detail,
        changed_at=denied.changed_at,
    )


def _ended(credential: Credential, secret: Secret) -> Autopsy:
    """Describe a secret that was once valid: what happened to it, when, and by whom."""
    if credential.revoked_at is not None:
        return Autopsy(
            cause=Cause.REVOKED,
            credential=credential.name,
            detail=f"by {credential.revoked_by}",
            changed_at=credential.revoked_at,
        )
    if secret.ended_by:
        return Autopsy(
            cause=Cause.FORMER_SECRET,
            credential=credential.name,
            detail=f"rotated by {secret.ended_by}",
            changed_at=secret.ends_at,
        )
    return Autopsy(
        cause=Cause.EXPIRED,
        credential=credential.name,
        changed_at=credential.expires_at or secret.ends_at,
    )


def _step_back() -> None:
    """Give this thread the lowest priority, which Linux allows per thread."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
