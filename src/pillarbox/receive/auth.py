"""Who may log in: passwords are checked on a few threads, and remembered for a while.

A client learns only whether it may come in: an unknown user, a wrong password and one that
is too long look and take alike. Who guesses waits longer each time. A verified password is
remembered as a keyed hash, since the real check takes 100 ms and programs log in for every
message. (RFC 4954; RFC 9106 for argon2id.)
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Final

from pillarbox.config.settings import AuthSettings
from pillarbox.errors import PermanentError
from pillarbox.receive.passwords import UserFile
from pillarbox.smtp.sasl.scram_verifier import ScramVerifier, fake_verifier

__all__ = ["Authenticator", "Guesses", "Verdict"]

_LONGEST_PASSWORD: Final = 1024  # octets; hashing more would be work on a stranger's order
_REMEMBERED: Final = 10_000
_WAITING_PER_WORKER: Final = 50  # at 100 ms each, five seconds of waiting
_CLIENTS: Final = 100_000
_FREE_GUESSES: Final = 1
_LONGEST_DELAY: Final = 8.0
_FORGIVE_EVERY: Final = 60.0  # seconds until one failure is forgotten
_MOST_GUESSES: Final = 20


class Verdict(Enum):
    """What came of a login. The values are reasons for the operator."""

    ACCEPTED = "accepted"
    WRONG = "unknown user or wrong password"
    OTHER_IDENTITY = "asks to act as somebody else"
    BUSY = "too many logins at the same time"
    NO_USERS = "the user file cannot be used"


class Authenticator:
    """Checks logins against the user file."""

    def __init__(self, settings: AuthSettings) -> None:
        """Read the user file that ``settings`` names.

        Raises:
            PermanentError: It cannot be used.
        """
        self._users = UserFile(settings.file) if settings.file else None
        self._cache_seconds = settings.cache_seconds
        self._most_waiting = settings.hash_workers * (_WAITING_PER_WORKER + 1)
        self._pool = ThreadPoolExecutor(settings.hash_workers, thread_name_prefix="argon2")
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}  # until when each keyed hash is believed

    @property
    def has_users(self) -> bool:
        """Whether anybody could log in, so that AUTH is worth offering."""
        return self._users is not None

    def check(
        self, identity: str, password: str, *, acting_as: str, now: float
    ) -> Verdict | asyncio.Future[Verdict]:
        """Decide about a login, at once where that is possible.

        Args:
            identity: Whose password it is.
            password: The password, which goes nowhere else.
            acting_as: The authorization identity, "" if the client gave none.
            now: The monotonic clock, seconds.
        """
        try:
            if self._users is None:
                return Verdict.NO_USERS
            if self._users.refresh():
                self._remembered.clear()  # a password that was changed is not believed longer
        except PermanentError:
            return Verdict.NO_USERS
        secret = self._keyed(identity, password)
        if self._remembered.get(secret, 0.0) > now:
            return Verdict.ACCEPTED if acting_as in {"", identity} else Verdict.OTHER_IDENTITY
        if self._waiting >= self._most_waiting:
            return Verdict.BUSY
        self._waiting += 1
        return asyncio.ensure_future(
            self._verify(self._users, identity, password, acting_as, secret, now)
        )

    def verifier(self, identity: str) -> ScramVerifier:
        """Return what SCRAM is checked with; a user file keeps nothing that would do."""
        return fake_verifier(identity, self._key)

    def close(self) -> None:
        """Give up the threads; logins that wait are not decided any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _verify(
        self,
        users: UserFile,
        identity: str,
        password: str,
        acting_as: str,
        secret: bytes,
        now: float,
    ) -> Verdict:
        is_short = len(password.encode("utf-8", "surrogatepass")) <= _LONGEST_PASSWORD
        loop = asyncio.get_running_loop()
        try:
            is_right = await loop.run_in_executor(
                self._pool, users.verify, identity, password if is_short else ""
            )
        finally:
            self._waiting -= 1
        if not (is_right and is_short):
            return Verdict.WRONG
        if acting_as not in {"", identity}:
            return Verdict.OTHER_IDENTITY
        self._remember(secret, now)
        return Verdict.ACCEPTED

    def _keyed(self, identity: str, password: str) -> bytes:
        material = f"{identity}\0{password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(material, key=self._key, digest_size=32).digest()

    def _remember(self, secret: bytes, now: float) -> None:
        self._remembered.pop(secret, None)
        if len(self._remembered) >= _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[secret] = now + self._cache_seconds


class Guesses:
    """Counts failed logins by client, in a bounded table, so that guessing gets slow."""

    __slots__ = ("_clients", "_step")

    def __init__(self, step: float = 1.0) -> None:
        """Delay the answer to the second failure by ``step`` seconds, then twice as long."""
        self._step = step
        self._clients: dict[str | bytes, tuple[float, float]] = {}  # failures, counted when

    def failed(self, key: str | bytes, now: float) -> float:
        """Count a failure; return the seconds to wait before it is answered."""
        failures = self._failures(key, now) + 1
        self._clients.pop(key, None)
        if len(self._clients) >= _CLIENTS:
            del self._clients[next(iter(self._clients))]
        self._clients[key] = (failures, now)
        counted = round(failures)  # one a moment ago still counts as one
        if counted <= _FREE_GUESSES:
            return 0.0
        return min(self._step * (1 << min(counted - _FREE_GUESSES - 1, 10)), _LONGEST_DELAY)

    def are_too_many(self, key: str | bytes, now: float) -> bool:
        """Whether a client has failed so often that it is not asked any more for a while."""
        return self._failures(key, now) >= _MOST_GUESSES

    def _failures(self, key: str | bytes, now: float) -> float:
        failures, when = self._clients.get(key, (0.0, now))
        return max(failures - (now - when) / _FORGIVE_EVERY, 0.0)
