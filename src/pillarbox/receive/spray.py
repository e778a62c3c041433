"""Password spraying: a few passwords tried on many accounts from many addresses.

No single address and no single account reveals it, so all failures of some minutes are considered
together. Memory is bounded: beyond a number, accounts and addresses are no longer told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pillarbox.receive.clients import ClientKey

__all__ = ["Spray", "Sprayed"]

_WINDOW: Final = 600.0  # seconds
_MOST: Final = 4_096  # accounts and clients that are told apart
_TRIES: Final = 5  # of an account; more is a guess at this one, whatever happens to others


@dataclass(frozen=True, slots=True)
class Sprayed:
    """How many were seen since when."""

    accounts: int
    clients: int
    failures: int
    since: float


class Spray:
    """Counts the accounts and the clients of failed logins."""

    __slots__ = ("_accounts", "_clients", "_failures", "_guessed_at", "_since", "_told", "last")

    def __init__(self) -> None:
        """Nobody has failed."""
        self._begin(0.0)
        self.last: Sprayed | None = None
        """The last that was noticed."""

    def _begin(self, now: float) -> None:
        self._since = now
        self._failures = 0
        self._told = False
        self._accounts: dict[bytes, int] = {}  # how often each has failed
        self._guessed_at = 0  # of them, those that fail too often to be part of a spray
        self._clients: set[ClientKey] = set()

    def is_going_on(self, now: float) -> bool:
        """Whether one was noticed within the last ten minutes."""
        return self.last is not None and now - self.last.since < 2 * _WINDOW

    def failed(
        self, account: bytes, client: ClientKey, now: float, *, accounts: int, clients: int
    ) -> Sprayed | None:
        """Count a failure; return what was seen when it becomes a spray, once in ten minutes.

        Args:
            account: Whose login failed.
            client: Who tried.
            now: A clock, seconds.
            accounts: How many make a spray...
            clients: ...from how many clients.
        """
        if not 0.0 <= now - self._since < _WINDOW:
            self._begin(now)
        self._failures += 1
        known = self._accounts
        if account in known or len(known) < _MOST:
            known[account] = known.get(account, 0) + 1
            self._guessed_at += known[account] == _TRIES + 1
        if len(self._clients) < _MOST:
            self._clients.add(client)
        seen = len(known) - self._guessed_at
        if self._told or seen < accounts or len(self._clients) < clients:
            return None
        self._told = True
        self.last = Sprayed(seen, len(self._clients), self._failures, self._since)
        return self.last
