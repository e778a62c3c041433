"""The addresses of this machine: a mail exchanger at one of them would be a loop."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

__all__ = ["own_addresses"]

_IPV4_ROUTES: Final = Path("/proc/net/fib_trie")
_IPV6_ADDRESSES: Final = Path("/proc/net/if_inet6")
_LOCAL: Final = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL")


def own_addresses() -> frozenset[str]:
    """Return this machine's IPv4 and IPv6 addresses, as far as the kernel tells them."""
    try:
        ipv4 = _LOCAL.findall(_IPV4_ROUTES.read_text(encoding="ascii"))
    except OSError:
        ipv4 = []
    try:
        lines = _IPV6_ADDRESSES.read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    ipv6 = [str(IPv6Address(bytes.fromhex(line.split()[0]))) for line in lines]
    return frozenset(ipv4) | frozenset(ipv6)
