"""Which addresses can be reached from the internet."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Final

__all__ = ["is_address", "kind_of"]

_NOT_PUBLIC: Final = {
    "loopback": ("127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
}
_NETWORKS: Final = tuple(
    (ip_network(network), kind) for kind, networks in _NOT_PUBLIC.items() for network in networks
)


def kind_of(address: str) -> str:
    """Return why an address cannot be reached from outside, "" if it can."""
    ip = ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None)
    return next((kind for network, kind in _NETWORKS if (mapped or ip) in network), "")


def is_address(text: str) -> bool:
    """Whether a text is an IP address, and no name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
