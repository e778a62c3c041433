"""Host names that no reader can reach, and names that are only for examples."""

from __future__ import annotations

import re
from typing import Final

from pillarbox.policy.public_addresses import is_public_address, read_host

__all__ = ["SHORTENERS", "is_development", "is_example", "is_internal", "organization"]

# RFC 6761, RFC 6762, RFC 8375, RFC 9476, and what is used in companies (ICANN: .internal).
_INTERNAL: Final = frozenset(
    [
        "localhost",
        "local",
        "localdomain",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "test",
        "invalid",
        "alt",
        "onion",
        "docker",
    ]
)
_HOME: Final = ".home.arpa"
_EXAMPLE: Final = re.compile(r"(?:.*\.)?example(?:\.(?:com|net|org))?")
_DEVELOPMENT: Final = re.compile(
    r"(?:.*[.-])?(?:staging|stage|dev|develop|development|qa|uat|preprod|sandbox|testing)[.-].*"
)
_TUNNEL: Final = re.compile(
    r".*\.(?:ngrok\.io|ngrok\.app|ngrok-free\.app|loca\.lt|localtest\.me|lvh\.me|nip\.io|sslip\.io)"
)
SHORTENERS: Final = frozenset(
    [
        "bit.ly",
        "buff.ly",
        "cutt.ly",
        "goo.gl",
        "is.gd",
        "lnkd.in",
        "ow.ly",
        "rb.gy",
        "rebrand.ly",
        "shorturl.at",
        "t.co",
        "t.ly",
        "tiny.cc",
        "tinyurl.com",
        "v.gd",
        "x.co",
        "bl.ink",
        "s.id",
    ]
)
"""Services that hide where a link leads."""


def is_internal(host: str) -> bool:
    """Say whether nobody outside can reach a host by this name or address."""
    address = read_host(host)
    if address is not None:
        return not is_public_address(str(address))
    name = host.rstrip(".").lower()
    return (
        "." not in name
        or name.rpartition(".")[2] in _INTERNAL
        or name.endswith(_HOME)
        or name == _HOME[1:]
    )


def is_example(host: str) -> bool:
    """Say whether a name is kept for examples (RFC 2606)."""
    return _EXAMPLE.fullmatch(host.rstrip(".").lower()) is not None


def is_development(host: str, owner: str) -> bool:
    """Say whether a name looks like that of a machine where its owner tries something out.

    Only the owner's own names tell: ``dev.to`` and ``dev.azure.com`` are for everybody.

    Args:
        host: The name.
        owner: A domain of whom the name would have to be.
    """
    name = host.rstrip(".").lower()
    if _TUNNEL.fullmatch(name):
        return True
    return organization(name) == organization(owner) and _DEVELOPMENT.fullmatch(name) is not None


def organization(host: str) -> str:
    """Return about the organization's domain: the last two labels, three for ``co.uk`` alike.

    The public suffix list would be exact; to tell two hosts of one owner apart from those of
    two, this is enough, and needs no file.
    """
    labels = host.rstrip(".").lower().split(".")
    is_short = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3  # noqa: PLR2004 - co.uk
    return ".".join(labels[-3 if is_short else -2 :])
