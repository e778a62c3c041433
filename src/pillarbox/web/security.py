"""Which requests are allowed, from which page, and what a browser may do with the response.

Everything here works on plain values and is independent of the framework.

* A request must name one of our hosts. Otherwise a foreign page could point its own name at this
  machine and count as same-origin (DNS rebinding).
* A request that changes something, or stays open, must not come from a foreign page. Browsers send
  its origin (``Origin``, ``Sec-Fetch-Site``); programs send neither and are allowed.
* Every response states what a browser may do with it; by default, nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

__all__ = [
    "API_POLICY",
    "SAFE_METHODS",
    "answer_headers",
    "content_policy",
    "host_name",
    "is_foreign",
    "is_known_host",
]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PRIVATE_SUFFIXES: Final = (".localhost", ".test", ".internal", ".svc")
"""Names that are never in public DNS (RFC 6761 §6, ICANN's private-use TLD, Kubernetes)."""
_NOT_CROSS_SITE: Final = frozenset({"", "none"})


def content_policy(**directives: str) -> str:
    """Return a Content-Security-Policy that allows only the given sources.

    Names are directives with underscores: ``content_policy(img_src="'self' data:")``. A
    directive without a value (``sandbox=""``) stands alone.
    """
    allowed = {
        "default_src": "'none'",
        "base_uri": "'none'",
        "form_action": "'none'",
        "frame_ancestors": "'none'",
        **directives,
    }
    return "; ".join(
        f"{name.replace('_', '-')} {value}".rstrip() for name, value in allowed.items()
    )


API_POLICY: Final = content_policy(sandbox="")
"""The policy of everything that is not a page: it may load nothing and run nothing."""

_ANSWERS: Final = {
    "content-security-policy": API_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}


def answer_headers() -> Mapping[bytes, bytes]:
    """Return the default fields of every response."""
    return {name.encode(): value.encode() for name, value in _ANSWERS.items()}


def host_name(authority: str) -> str | None:
    """Return the host of ``name:port`` in lower case, without brackets; None if malformed."""
    if not authority or any(mark in authority for mark in "/\\@?# \t,"):
        return None
    try:
        parts = urlsplit(f"//{authority}")
        parts.port  # noqa: B018 - raises where it is no port
    except ValueError:
        return None
    host = (parts.hostname or "").removesuffix(".")
    return host or None


def is_known_host(authority: str, hosts: frozenset[str]) -> bool:
    """Whether a request for this ``Host`` is meant for us.

    IP addresses are, because DNS rebinding needs a name; so are localhost, names outside public
    DNS, and names without a dot, which nobody can register (a container requests
    ``http://pillarbox:8025``).
    """
    host = host_name(authority)
    if host is None:
        return False
    if "*" in hosts or host in hosts or host == "localhost" or host.endswith(_PRIVATE_SUFFIXES):
        return True
    return _is_address(host) or "." not in host


def is_foreign(
    authority: str, *, origin: str | None, fetch_site: str, origins: frozenset[str]
) -> bool:
    """Whether a browser says that a foreign page sent this request.

    Args:
        authority: The ``Host`` of the request.
        origin: The ``Origin``, None if absent.
        fetch_site: ``Sec-Fetch-Site``, "" if absent.
        origins: Foreign origins that are allowed.
    """
    # Pages cannot forge this field. It also identifies our own pages behind a proxy that changes
    # the Host.
    if fetch_site == "same-origin":
        return False
    if origin is None:
        return fetch_site not in _NOT_CROSS_SITE
    if origin in origins:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return True
    # The scheme may differ, because a proxy may speak HTTPS for us; the port must not.
    return not parts.netloc or parts.netloc.lower() != authority.lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
