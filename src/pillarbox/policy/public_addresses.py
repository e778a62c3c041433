"""Whether an address is public, in whatever way it is written.

A URL or host in a message or a setting may be meant to lead us to an internal machine. So an
address counts as public only if it has no special use, and neither has an IPv4 address embedded in
it (RFC 6052, RFC 3056, RFC 4380, RFC 5214). The special uses are listed here, because
``ipaddress`` has a different list in each release of Python.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

__all__ = ["embedded_addresses", "is_public_address", "read_host"]

Address = IPv4Address | IPv6Address

# The IANA registries of special-purpose addresses (RFC 6890), without what is globally reachable.
_SPECIAL_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")  # all that was ever given to anybody (RFC 4291 §2.4)
_SPECIAL_IPV6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"))
)
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
_LOW: Final = 0xFFFF_FFFF
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214 §6.1
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+", re.ASCII)
_LONGEST: Final = 64
_PARTS: Final = 4


@lru_cache(maxsize=1024)
def is_public_address(text: str) -> bool:
    """Return whether an address is public: it has no special use, nor has one embedded in it."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return "%" not in text and all(map(_is_public, (address, *embedded_addresses(address))))


def embedded_addresses(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that may be reached through an IPv6 address."""
    if isinstance(address, IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    number = int(address)
    # RFC 4291 §2.5.5.1: "::127.0.0.1"; RFC 6052 §2.1; RFC 5214 §6.1.
    is_low = number >> 32 == 0 and number > 1
    if is_low or any(address in network for network in _NAT64) or number >> 32 & _LOW in _ISATAP:
        found.append(IPv4Address(number & _LOW))
    return tuple(one for one in found if one is not None)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    if address.ipv4_mapped is not None or address in _NAT64[0]:
        return True  # another way to write the address of IPv4 that is looked at as well
    return address in _GLOBAL_IPV6 and not any(address in network for network in _SPECIAL_IPV6)


def read_host(host: str) -> Address | None:
    """Return the address in a URL's host, None for a name.

    Browsers and resolvers read ``127.1``, ``0x7f000001``, ``017700000001`` and ``2130706433`` as
    127.0.0.1 (https://url.spec.whatwg.org/#concept-ipv4-parser), and so does this.
    """
    text = host.strip("[]").rstrip(".").partition("%")[0]
    if not text or len(text) > _LONGEST:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return _read_loosely(text)


def _read_loosely(text: str) -> IPv4Address | None:
    parts = text.split(".")
    if len(parts) > _PARTS or not all(map(_NUMBER.fullmatch, parts)):
        return None
    numbers = [_number(part) for part in parts]
    last = numbers.pop()
    if last is None or None in numbers:
        return None
    value, room = last, 256 ** (_PARTS - len(numbers))
    if last >= room or any(number is None or number > 255 for number in numbers):  # noqa: PLR2004 - an octet
        return None
    for place, number in enumerate(numbers):
        value += (number or 0) << 8 * (3 - place)
    return IPv4Address(value)


def _number(text: str) -> int | None:
    try:
        if text[:2] in {"0x", "0X"}:
            return int(text[2:] or "0", 16)
        return int(text, 8 if len(text) > 1 and text[0] == "0" else 10)
    except ValueError:
        return None
