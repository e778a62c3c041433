"""Authenticates requests, if configured: HTTP Basic and bearer tokens (RFC 7617, RFC 6750).

Guarantees: comparisons take constant time; a password stored as a hash is checked on a thread and
    then cached as a digest keyed for this process, so that not every request costs a hash; a client
    that guesses is slowed down, even if it sends all guesses at once; response times do not reveal
    which users exist.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode
from binascii import Error as BinasciiError
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from pillarbox.access.hashes import ARGON2_PREFIX, matches
from pillarbox.web.problems import Problem

__all__ = ["Authentication"]

_MOST_FAILURES: Final = 10  # from one address, before it is throttled
_FORGIVEN: Final = 30.0  # seconds after the last failure
_MOST_CLIENTS: Final = 10_000
_HASHES_AT_ONCE: Final = 2  # each takes a thread and at least 19 MiB
_CHALLENGE: Final = 'Basic realm="pillarbox", charset="UTF-8"'


class Authentication:
    """Checks the ``Authorization`` of requests."""

    def __init__(self, users: Mapping[str, str], tokens: frozenset[str]) -> None:
        """Accept these users, by password or password verifier, and these tokens."""
        self._users = dict(users)
        self._tokens = tuple(token.encode() for token in tokens)
        self._key = secrets.token_bytes(32)
        # Unknown users are checked against it, so they take as long as known ones.
        hashes = (each for each in users.values() if each.startswith(ARGON2_PREFIX))
        self._decoy = next(hashes, self._key.hex())
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def check(self, authorization: str, client: str) -> str:
        """Return the user's name, "" for a token.

        Args:
            authorization: The field's value, "" if absent.
            client: The client's address, which is throttled after too many failures.

        Raises:
            Problem: The credentials are wrong (401), or the client is throttled (429).
        """
        now = asyncio.get_running_loop().time()
        self._refuse_guessing(client, now)
        scheme, _, value = authorization.partition(" ")
        user = await self._who(scheme.lower(), value.strip(), client)
        if user is not None:
            self._failures.pop(client, None)
            return user
        if authorization:
            self._failed(client, now)
        raise Problem(
            401,
            "The user name or the password is wrong."
            if authorization
            else "A user name and password, or a token, is required here.",
            "invalid_credentials" if authorization else "",
            headers={"WWW-Authenticate": _CHALLENGE},
        )

    async def _who(self, scheme: str, value: str, client: str) -> str | None:
        if scheme == "bearer":
            given = value.encode("utf-8", "surrogateescape")
            # Compare with all of them, so that timing does not reveal which was close.
            found = [hmac.compare_digest(token, given) for token in self._tokens]
            return "" if any(found) else None
        if scheme != "basic":
            return None
        try:
            user, colon, password = b64decode(value, validate=True).decode("utf-8").partition(":")
        except (BinasciiError, UnicodeDecodeError, ValueError):
            return None
        if not colon or not await self._is_right(user, password, client):
            return None
        return user

    async def _is_right(self, user: str, password: str, client: str) -> bool:
        verifier = self._users.get(user, self._decoy)
        if not verifier.startswith("$"):
            right = hmac.compare_digest(verifier.encode(), password.encode())
            return right and user in self._users
        digest = hmac.digest(self._key, f"{user}\0{password}".encode(), hashlib.sha256)
        if digest in self._known:
            return True
        async with self._hashing:
            if digest in self._known:  # a concurrent request has already done the work
                return True
            # Requests that waited here passed the first check before the others failed.
            self._refuse_guessing(client, asyncio.get_running_loop().time())
            is_right = await asyncio.to_thread(matches, verifier, password)
        if not is_right or user not in self._users:
            return False
        self._known[digest] = None
        if len(self._known) > _MOST_CLIENTS:
            self._known.popitem(last=False)
        return True

    def _refuse_guessing(self, client: str, now: float) -> None:
        count, last = self._failures.get(client, (0, 0.0))
        if count < _MOST_FAILURES:
            return
        wait = last + _FORGIVEN - now
        if wait <= 0:
            del self._failures[client]
            return
        raise Problem(
            429,
            "There were too many wrong passwords from this address.",
            headers={"Retry-After": str(int(wait) + 1)},
        )

    def _failed(self, client: str, now: float) -> None:
        count, _ = self._failures.pop(client, (0, 0.0))
        self._failures[client] = (count + 1, now)
        if len(self._failures) > _MOST_CLIENTS:
            self._failures.popitem(last=False)
