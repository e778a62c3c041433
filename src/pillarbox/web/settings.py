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
    """One application: its location, access rules and limits.

    Sizes are in octets, times in seconds.
    """

    webroot: str = ""  # path below which everything is, such as "/mail"; no slash at its end
    hosts: frozenset[str] = frozenset()  # allowed host names; "*": any
    origins: frozenset[str] = frozenset()  # foreign ones that may send requests
    users: Mapping[str, str] = field(default_factory=dict, repr=False)  # passwords or verifiers
    tokens: frozenset[str] = field(default=frozenset(), repr=False)  # bearer tokens
    trusted_networks: tuple[Network, ...] = ()  # of proxies whose Forwarded fields count
    largest_body: int = MIB  # of a request, unless a route sets its own limit
    body_patience: float = 30.0  # for a whole body, before the allowance for its size
    slowest_body: int = 16 * KIB  # octets a second, the minimum rate of a large body
    title: str = "pillarbox"
    version: str = ""

    @property
    def is_open(self) -> bool:
        """Whether anybody who can reach the port may use it."""
        return not self.users and not self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits on what a client may use of the server outside of requests."""

    connections: int = 1_000
    head: int = 64 * KIB  # octets of the request line and the fields
    head_patience: float = 10.0  # seconds for them
    idle: int = 20  # seconds between requests
    stalled: float = 30.0  # seconds in which a client reads nothing of its response
    linger: float = 2.0  # seconds for which the rest of a refused body is discarded
    lingering: int = 4 * MIB  # octets of it, at most
