"""Parses lists of users as people write them: ``user:password``, one per entry or line."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pillarbox.access.hashes import matches, parse_argon2
from pillarbox.errors import PermanentError

__all__ = ["is_hash", "is_right", "read_users", "read_users_file"]

_HASH: Final = "$argon2id$"
_OTHER_HASHES: Final = ("$", "{")  # bcrypt, SHA-crypt, {SHA}: what htpasswd writes


def read_users(entries: Iterable[str], where: str) -> dict[str, str]:
    """Return the password, or the argon2id hash of it, of each user.

    Args:
        entries: Each ``user:password``; a password may hold colons.
        where: What they stand in, for the errors.

    Raises:
        PermanentError: One is no such pair, or its hash is of another kind.
    """
    users: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        text = entry.strip()
        if not text or text.startswith("#"):
            continue
        user, colon, password = text.partition(":")
        if not (user and colon and password):
            raise PermanentError(f'{where}: entry {number} is not of the form "user:password"')
        if is_hash(password):
            parse_argon2(password)
        elif password.startswith(_OTHER_HASHES):
            raise PermanentError(
                f"{where}: the password of {user!r} is an unknown kind of hash; write the password "
                "in plain text, or as argon2id (`pillarbox auth hash` makes one)"
            )
        users[user] = password
    return users


def read_users_file(path: Path, setting: str) -> dict[str, str]:
    """Return the users in a file, one a line.

    Raises:
        PermanentError: It cannot be read, or a line is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PermanentError(f"sandbox.{setting}: cannot read {path}: {reason}") from error
    return read_users(text.splitlines(), str(path))


def is_hash(password: str) -> bool:
    """Whether what is kept is a hash; to check one is slow."""
    return password.startswith(_HASH)


def is_right(kept: str, password: str) -> bool:
    """Whether a password is the one that is kept; for a hash, call it on a thread."""
    if is_hash(kept):
        return matches(kept, password)
    return hmac.compare_digest(
        kept.encode("utf-8", "surrogatepass"), password.encode("utf-8", "surrogatepass")
    )
