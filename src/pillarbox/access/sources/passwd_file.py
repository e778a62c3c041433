"""The password file: a line ``user:argon2id hash`` for each user.

Dovecot's form, ``user:{ARGON2ID}$argon2id$...``, is read as well; its further fields are ignored,
as are empty lines and lines that start with ``#``. The file is read again when it changes.
Checking a password takes the same time whether the user exists or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.hashes import (
    former_matches,
    hash_like,
    make_former,
    matches,
    parse_argon2,
)
from pillarbox.access.pool import Pool
from pillarbox.config.private_file import read_private
from pillarbox.errors import PermanentError
from pillarbox.policy.autopsy import Cause
from pillarbox.smtp.sasl.claims import Claim, PasswordClaim

__all__ = ["FormerPassword", "PasswdFile", "UserFile"]

_LINE: Final = re.compile(
    r"(?P<user>.+?):(?:\{ARGON2ID\})?(?P<hash>\$argon2id\$[^:\s]+)(?::.*)?", re.IGNORECASE
)
_OTHER_SCHEME: Final = re.compile(r".+?:(\{[\w.-]+\}|\$\w+\$)")
_MOST_FORMER: Final = 1_000  # users of whom a former password is remembered


@dataclass(frozen=True, slots=True)
class FormerPassword:
    """A password that stood in the file before it was changed while we ran."""

    verifier: str
    changed_at: float  # when we saw it, wall clock


class UserFile:
    """The users as they stood when the file was last read; follows the file."""

    def __init__(
        self, path: Path, *, former_key: bytes = b"", now: Callable[[], float] | None = None
    ) -> None:
        """Read the file.

        Args:
            path: The file.
            former_key: Hashes what is remembered of passwords that are changed; empty: nothing is.
            now: The wall clock, to say when.

        Raises:
            PermanentError: It cannot be read, others could read it, or a line is malformed.
        """
        self._path = path
        self._former_key = former_key
        self._now = now
        self._former: dict[str, FormerPassword] = {}
        self._hashes: dict[str, str] = {}
        self._stamp = self._look()
        self._read()

    def refresh(self) -> bool:
        """Read the file again if it has changed; return whether it has.

        Raises:
            PermanentError: It has, and cannot be used. The users stay as they were.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._read()
        return True

    def __contains__(self, user: str) -> bool:
        return user in self._hashes

    def verify(self, user: str, password: str) -> bool:
        """Check a password. This takes a tenth of a second: call it on a thread."""
        kept = self._hashes.get(user)
        return matches(kept or self._nobodys_hash, password) and kept is not None

    def former(self, user: str, password: str) -> FormerPassword | None:
        """Return what is known of a password that was right before; as slow as ``verify``."""
        known = self._former.get(user)
        if known is None or not former_matches(known.verifier, password, self._former_key):
            return None
        return known

    def _look(self) -> tuple[int, int]:
        try:
            seen = self._path.stat()
        except OSError:
            return (0, 0)
        return (seen.st_mtime_ns, seen.st_ino)

    def _read(self) -> None:
        hashes: dict[str, str] = {}
        text = read_private(self._path).decode("utf-8", "surrogateescape")
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            user, kept = self._parsed(line.strip(), number)
            hashes[user] = kept
        self._remember(self._hashes, hashes)
        self._hashes = hashes
        self._nobodys_hash = hash_like(next(iter(hashes.values()), None))

    def _parsed(self, line: str, number: int) -> tuple[str, str]:
        found = _LINE.fullmatch(line)
        if found is None:
            other = _OTHER_SCHEME.match(line)
            scheme = f" but {other[1]}" if other else ""
            raise PermanentError(
                f"{self._path}:{number}: not a line `user:argon2id hash`{scheme}; "
                "`pillarbox auth hash` and `doveadm pw -s ARGON2ID` make one"
            )
        try:
            parse_argon2(found["hash"])
        except PermanentError as error:
            raise PermanentError(f"{self._path}:{number}: {error}") from None
        return found["user"], found["hash"]

    def _remember(self, old: dict[str, str], new: dict[str, str]) -> None:
        if not self._former_key or self._now is None:
            return
        at = self._now()
        for user, verifier in old.items():
            if new.get(user) != verifier:
                self._former.pop(user, None)
                if len(self._former) >= _MOST_FORMER:
                    del self._former[next(iter(self._former))]
                self._former[user] = FormerPassword(make_former(verifier, self._former_key), at)


class PasswdFile:
    """A user file as a source."""

    def __init__(self, name: str, users: UserFile, pool: Pool) -> None:
        """Judge by ``users``; slow hashes run in ``pool``."""
        self.name = name
        self.users = users
        self._pool = pool
        self._defect = ""

    def takes(self, claim: Claim) -> bool:
        """Whether it can judge such a claim: only passwords."""
        return isinstance(claim, PasswordClaim)

    def at_once(self, claim: Claim) -> Answer | None:
        """Say at once that the file cannot be used."""
        del claim
        return Denied(Cause.SOURCE_DOWN, self.name, self._defect) if self._defect else None

    async def judge(self, claim: Claim) -> Answer:
        """Check a password on a thread."""
        if not isinstance(claim, PasswordClaim):
            return Denied(Cause.NOBODY_KNOWN, self.name)
        if self._pool.is_full:
            return Denied(Cause.BUSY, self.name)
        user = claim.identity
        if await self._pool.run(self.users.verify, user, claim.password):
            return Admitted(identity=user, source=self.name, claimed=user)
        cause = Cause.WRONG_SECRET if user in self.users else Cause.UNKNOWN_USER
        return Denied(cause, self.name)

    def refresh(self) -> bool:
        """Follow the file; a password that was changed is not believed any longer."""
        try:
            has_changed = self.users.refresh()
        except PermanentError as error:
            self._defect = str(error)
            return True
        if has_changed:
            self._defect = ""
        return has_changed

    def close(self) -> None:
        """Nothing to give up; the pool is the authenticator's."""

    # --- for the autopsy ------------------------------------------------------------

    def knows(self, user: str) -> bool:
        """Whether the user exists."""
        return user in self.users

    def verify(self, user: str, password: str) -> bool:
        """Check a password; slow."""
        return user in self.users and self.users.verify(user, password)
