"""How clients are identified, how many connections they may hold, and how often they misbehaved.

A client is an IPv4 address or an IPv6 /64, since whoever has one address of a /64 has all of them.
The tables are bounded; a client without open connections that has been quiet longest is dropped
first.
"""

from __future__ import annotations

import socket
from typing import Final

from pillarbox.receive.bounded import BoundedTable

__all__ = [
    "ClientKey",
    "ClientTable",
    "LeakyTable",
    "client_key",
    "plain_address",
    "show_client",
    "shown_key",
]

ClientKey = str | bytes

_MAPPED: Final = "::ffff:"
_PREFIX_OCTETS: Final = 8  # of an IPv6 address: its /64
_TABLE_SIZE: Final = 100_000
_MINUTE: Final = 60.0


def plain_address(address: str) -> str:
    """Return an address without its zone; IPv4 inside IPv6 becomes IPv4."""
    address = address.partition("%")[0]
    return address[len(_MAPPED) :] if address.startswith(_MAPPED) and "." in address else address


def client_key(address: str) -> ClientKey:
    """Return a client's key: its IPv4 address, or the /64 of its IPv6 address."""
    if ":" not in address:
        return address
    try:
        return socket.inet_pton(socket.AF_INET6, address)[:_PREFIX_OCTETS]
    except OSError:
        return address


def show_client(key: ClientKey) -> str:
    """Return a client in a form for people: ``192.0.2.1``, ``2001:db8::/64``."""
    if isinstance(key, str):
        return key
    return f"{socket.inet_ntop(socket.AF_INET6, key + bytes(_PREFIX_OCTETS))}/64"


def shown_key(client: str) -> ClientKey:
    """Parse what ``show_client`` returns, or one of the client's addresses."""
    return client_key(plain_address(client.partition("/")[0]))


class _Client:
    __slots__ = ("open", "paid_until")

    def __init__(self) -> None:
        self.open = 0
        # The time up to which its connections use up its rate (a leaky bucket in one number).
        self.paid_until = 0.0


class ClientTable:
    """Counts the connections of each client."""

    __slots__ = ("_clients", "_most_open", "_old", "_rate", "_room", "_size")

    def __init__(self, *, most_open: int, rate: int, size: int = _TABLE_SIZE) -> None:
        """Allow ``most_open`` connections and ``rate`` new ones a minute for each client."""
        # The old half is thrown away when the new one is full (see ``BoundedTable``), but for
        # the clients that have connections open.
        self._clients: dict[ClientKey, _Client] = {}
        self._old: dict[ClientKey, _Client] = {}
        self._room = size // 2
        self._most_open = most_open
        self._rate = rate
        self._size = size

    def __len__(self) -> int:
        return len(self._clients) + len(self._old)

    def limit(self, *, most_open: int, rate: int) -> None:
        """Change the limits; connections that are open stay."""
        self._most_open, self._rate = most_open, rate

    def admit(self, key: ClientKey, now: float) -> str:
        """Count a new connection, and return "", or the reason to refuse it.

        Args:
            key: The client (``client_key``). An admitted one must be released later.
            now: The monotonic clock, seconds.
        """
        client = self._clients.get(key)
        if client is None:
            client = self._old.pop(key, None) or _Client()
            if len(self._clients) >= self._room:
                self._forget()
            self._clients[key] = client
        if client.open >= self._most_open:
            return "too many connections"
        paid_until = max(client.paid_until, now) + _MINUTE / self._rate
        if paid_until - now > _MINUTE + 1e-9:
            return "too many new connections"
        client.paid_until = paid_until
        client.open += 1
        return ""

    def release(self, key: ClientKey) -> None:
        """Count the end of an admitted connection."""
        client = self._clients.get(key) or self._old.get(key)
        if client is not None and client.open:
            client.open -= 1

    def _forget(self) -> None:
        here = {key: client for key, client in self._old.items() if client.open}
        self._old, self._clients = self._clients, here
        self._room = len(here) + self._size // 2


class LeakyTable:
    """Counts by key, and forgets gradually."""

    __slots__ = ("_paid_until",)

    def __init__(self, size: int = _TABLE_SIZE) -> None:
        """Remember the ``size`` most recently counted keys."""
        # One number each: the time at which all will have been forgotten.
        self._paid_until: BoundedTable[ClientKey, float] = BoundedTable(size)

    def __len__(self) -> int:
        return len(self._paid_until)

    def add(self, key: ClientKey, now: float, forgive_every: float) -> float:
        """Count one more; return the count.

        Args:
            key: What to count.
            now: A clock, seconds.
            forgive_every: Seconds in which one is forgotten.
        """
        until = max(self._paid_until.get(key) or now, now) + forgive_every
        self._paid_until.put(key, until)
        return (until - now) / forgive_every if forgive_every else 1.0

    def count(self, key: ClientKey, now: float, forgive_every: float) -> float:
        """Return the count."""
        over = (self._paid_until.get(key) or now) - now
        return over / forgive_every if over > 0.0 and forgive_every else 0.0

    def forget(self, key: ClientKey) -> None:
        """Start counting from 0 again."""
        self._paid_until.pop(key)
