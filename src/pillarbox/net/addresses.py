"""Distinguishes public addresses from internal ones."""

from __future__ import annotations

import ipaddress
from typing import Final

from pillarbox.policy.public_addresses import is_public_address

__all__ = ["embedded_address", "is_loopback", "is_public"]

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1


def is_public(text: str) -> bool:
    """Whether an address can be another's server: not loopback, private or multicast."""
    return is_public_address(text)


def is_loopback(text: str) -> bool:
    """Whether a peer's address, as the system writes it, is on this machine."""
    return text == "::1" or text.startswith("127.")


def embedded_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address that is finally reached, which may be IPv4 embedded in IPv6."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
