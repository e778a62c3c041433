"""Hosts with ports, and networks, as configurations write them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Endpoint", "Network", "is_host_name", "is_loopback", "parse_endpoint", "parse_network"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ENDPOINT: Final = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", re.ASCII)
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LAST_PORT: Final = 65_535
_LONGEST_NAME: Final = 253


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, by name or address, and a port; 0 lets the system choose one."""

    host: str
    port: int | None  # None: none was given

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint | None:
    """Return what ``192.0.2.1:25``, ``[::1]:25`` or ``mail.example.org:587`` means, or None."""
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        return None
    port = None if match[3] is None else int(match[3])
    if port is not None and port > _LAST_PORT:
        return None
    if match[1] is not None and not _is_address(match[1]):
        return None
    return Endpoint(match[1] or match[2], port)


def parse_network(text: str) -> Network | None:
    """Return a network such as ``10.0.0.0/8`` or a single address, or None."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address, so that nobody else can listen."""
    if host.lower() in {"localhost", "localhost."}:
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def is_host_name(name: str) -> bool:
    """Whether a name in A-labels is well formed: labels of 1 to 63 octets (RFC 1035 §2.3.4)."""
    labels = name.removesuffix(".").split(".")
    return len(name) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
