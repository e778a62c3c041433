"""Networks of addresses, and which of them nobody outside can connect from.

A network is private when every address in it is: loopback, link-local, private use, or shared
between a provider and its customers (RFC 1918, RFC 4193, RFC 6598). ``ipaddress`` itself looks only
at the two ends of a network, and so calls 0.0.0.0/1 private.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

__all__ = [
    "Address",
    "Network",
    "TrustedNetworks",
    "is_private",
    "is_too_wide",
    "is_within",
    "parse_address",
    "parse_network",
]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PRIVATE: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "100.64.0.0/10",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
_WIDEST: Final = {4: 8, 6: 19}
"""The shortest prefixes that anybody was ever given; what is wider is the world."""


def parse_network(text: str) -> Network | None:
    """Parse a network such as ``10.0.0.0/8`` or a single address; None if malformed."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def parse_address(text: str) -> Address | None:
    """Parse a client's address; IPv4 inside IPv6 becomes IPv4.

    A scope (``%eth0``) does not identify a network, and is dropped.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_within(network: Network, other: Network) -> bool:
    """Return whether all addresses of a network are in another."""
    return (
        network.version == other.version
        and network.prefixlen >= other.prefixlen
        and network.network_address in other
    )


def is_private(network: Network) -> bool:
    """Return whether nobody outside can connect from any address of a network."""
    return any(is_within(network, private) for private in _PRIVATE)


def is_too_wide(network: Network) -> bool:
    """Return whether a network is so large that no owner can answer for it."""
    return network.prefixlen < _WIDEST[network.version] and not is_private(network)


class TrustedNetworks:
    """A set of networks with fast lookup of addresses."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self.networks = tuple(networks)
        self._holds = lru_cache(maxsize=1_024)(self._holds_uncached)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __contains__(self, address: str) -> bool:
        return self._holds(address)

    def _holds_uncached(self, address: str) -> bool:
        client = parse_address(address)
        return client is not None and any(client in network for network in self.networks)
