"""Refused logins by application: which one fails, since when, how often, and why.

An application is identified by its EHLO name, its address, and the mechanisms it tries, in order.
The table is bounded; the application that has been quiet longest is dropped first.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from pillarbox.policy.autopsy import Autopsy

__all__ = ["Application", "FailureBook", "Failures"]

_MOST_CLIENTS: Final = 5_000
_MOST_ORDERS: Final = 8  # of mechanisms, of one client
_MOST_USERS: Final = 5  # shown of each application
_QUIET: Final = 86_400.0  # seconds after which a new failure begins a new count


class Application(NamedTuple):
    """An identifier for one program on one machine."""

    helo: str
    client: str
    mechanisms: tuple[str, ...]  # in the order in which it tried them


@dataclass(slots=True)
class Failures:
    """The failures of one application."""

    first_at: float
    last_at: float
    count: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    last: Autopsy | None = None
    listener: str = ""
    recovered_at: float | None = None  # when the client logged in again


class _Kept(Struct, frozen=True):
    """One application with its failures, as stored."""

    application: Application
    failures: Failures


_Client = tuple[str, str]


class FailureBook:
    """Counts refused logins."""

    def __init__(self) -> None:
        """Start without failures."""
        self.changes = 0  # since the start
        self._clients: dict[_Client, dict[tuple[str, ...], Failures]] = {}

    def failed(
        self, application: Application, autopsy: Autopsy, *, user: str, listener: str, at: float
    ) -> None:
        """Count a refused login.

        Args:
            application: Who.
            autopsy: Why.
            user: The user name, as it may be shown.
            listener: Where.
            at: The wall clock.
        """
        self.changes += 1
        client = (application.helo, application.client)
        programs = self._clients.pop(client, {})
        if len(self._clients) >= _MOST_CLIENTS:
            del self._clients[next(iter(self._clients))]
        self._clients[client] = programs
        known = programs.pop(application.mechanisms, None)
        if known is None or known.recovered_at is not None or at - known.last_at > _QUIET:
            known = Failures(first_at=at, last_at=at)
        if len(programs) >= _MOST_ORDERS:
            del programs[next(iter(programs))]
        programs[application.mechanisms] = known
        known.count += 1
        known.last_at = at
        known.last = autopsy
        known.listener = listener
        cause = autopsy.cause.value
        known.causes[cause] = known.causes.get(cause, 0) + 1
        if user in known.users or len(known.users) < _MOST_USERS:
            known.users[user] = known.users.get(user, 0) + 1

    def succeeded(self, helo: str, client: str, at: float) -> None:
        """Note that a client logged in, which ends its run of failures."""
        for failures in self._clients.get((helo, client), {}).values():
            if failures.recovered_at is None:
                failures.recovered_at = at
                self.changes += 1

    def __iter__(self) -> Iterator[tuple[Application, Failures]]:
        """Yield applications, the latest failure first."""
        for (helo, client), programs in reversed(tuple(self._clients.items())):
            for mechanisms, failures in reversed(tuple(programs.items())):
                yield Application(helo, client, mechanisms), failures

    def written(self, most: int) -> bytes:
        """Return the ``most`` latest applications, to be restored after a restart."""
        return msgspec.json.encode([_Kept(*each) for each in itertools.islice(self, most)])

    def read_back(self, octets: bytes) -> None:
        """Restore stored applications; data of another version is skipped."""
        with contextlib.suppress(msgspec.MsgspecError):
            for each in reversed(msgspec.json.decode(octets, type=list[_Kept])):
                helo, client, mechanisms = each.application
                self._clients.setdefault((helo, client), {})[mechanisms] = each.failures
