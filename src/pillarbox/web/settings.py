"""The settings of an HTTP application: its location, its clients, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pillarbox.policy.networks import Network

__all__ = ["KIB", "MIB", "ConnectionLimits", "WebSettings"]

KIB: Final = 1024
MIB: Final = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """One application: its place, its doors, and its measures.

    Octets and seconds, as everywhere.
    """

    webroot: str = ""  # path below which everything is, such as "/mail"; no slash at its end
    hosts: frozenset[str] = frozenset()  # names by which it may be asked for; "*": any
    origins: frozenset[str] = frozenset()  # further pages that may act here: "https://example.org"
    users: Mapping[str, str] = field(default_factory=dict, repr=False)  # passwords or verifiers
    tokens: frozenset[str] = field(default=frozenset(), repr=False)  # bearer tokens
    trusted_networks: tuple[Network, ...] = ()  # of proxies whose Forwarded fields count
    largest_body: int = MIB  # of a request, where a route does not say otherwise
    body_patience: float = 30.0  # for a whole body, before its size is allowed for
    slowest_body: int = 16 * KIB  # octets a second that a large body must come in with
    title: str = "pillarbox"
    version: str = ""

    @property
    def is_open(self) -> bool:
        """Whether anybody may ask who reaches the port."""
        return not self.users and not self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What a client may take of the server before it has asked for anything."""

    connections: int = 1_000
    head: int = 64 * KIB  # octets of a request line and its fields
    head_patience: float = 10.0  # seconds for them
    idle: int = 20  # seconds between requests
    stalled: float = 30.0  # seconds in which a client takes nothing of its answer
    linger: float = 2.0  # seconds in which the rest of a refused body is thrown away
    lingering: int = 4 * MIB  # octets of it, at most
