"""The user file: a line ``user:argon2id hash`` for each who may log in.

Checking a password takes the same time whether the user exists or not. Lines that are
empty or start with ``#`` mean nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import argon2

from pillarbox.errors import PermanentError
from pillarbox.config.private_file import read_private

__all__ = ["UserFile"]

_NOBODYS_PASSWORD: Final = "a password that nobody has"  # noqa: S105 - it opens nothing


class UserFile:
    """The users as they stood when the file was last read; follows the file."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            PermanentError: It cannot be read, others could read it, or a line is malformed.
        """
        self._path = path
        self._stamp = self._look()
        self._hasher = argon2.PasswordHasher()
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

    def verify(self, user: str, password: str) -> bool:
        """Check a password. This takes a tenth of a second: call it on a thread."""
        kept = self._hashes.get(user)
        try:
            self._hasher.verify(kept or self._nobodys_hash, password)
        except argon2.exceptions.VerificationError:
            return False
        return kept is not None

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
            user, _, kept = line.strip().rpartition(":")
            if not user or not kept.startswith("$argon2id$"):
                raise PermanentError(f"{self._path}:{number}: not a line `user:argon2id hash`")
            hashes[user] = self._checked(kept, number)
        self._hashes = hashes
        self._nobodys_hash = self._hash_like(next(iter(hashes.values()), None))

    def _checked(self, kept: str, number: int) -> str:
        try:
            argon2.extract_parameters(kept)
        except argon2.exceptions.InvalidHashError as error:
            raise PermanentError(f"{self._path}:{number}: not an argon2id hash") from error
        return kept

    def _hash_like(self, kept: str | None) -> str:
        # What an unknown user's password is checked against must cost what a known one's does.
        if kept is None:
            return self._hasher.hash(_NOBODYS_PASSWORD)
        parameters = argon2.extract_parameters(kept)
        return argon2.PasswordHasher.from_parameters(parameters).hash(_NOBODYS_PASSWORD)
