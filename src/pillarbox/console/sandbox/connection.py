"""How to configure a program for the sandbox: its address, and the settings for each framework.

The host is the one in the request, so that what is copied works from where the reader sits; the
port is the one that the sandbox listens on.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request

from pillarbox.sandbox.info import Info
from pillarbox.web.security import host_name

__all__ = ["Connection", "Snippet", "connection_of"]

_PLACE: Final = re.compile(r"\b(?<![A-Z]_)(?:HOST|PORT)\b")
_CREDENTIALS: Final = {
    "any": "any",
    "chosen": "one of those in the settings",
    "refuse": "every login is refused, on purpose",
    "none": "none: no login is offered",
}
_TLS: Final = {
    "off": "none",
    "offered": "none, or STARTTLS",
    "required": "STARTTLS; without it mail is refused",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """The lines for one framework."""

    key: str
    name: str
    file: str  # where they go
    text: str
    note: str = ""  # what else there is to know


@dataclass(frozen=True, slots=True)
class Connection:
    """The address that programs send to."""

    host: str
    port: int
    tls: str
    credentials: str
    snippets: tuple[Snippet, ...]


def connection_of(request: Request, info: Info) -> Connection:
    """Return how to reach the sandbox that answers a request."""
    host = host_name(request.headers.get("host", "")) or "localhost"
    address = info.addresses.smtp[0] if info.addresses.smtp else ""
    port = address.rpartition(":")[2]
    number = int(port) if port.isdecimal() else 1025
    snippets = tuple(
        Snippet(
            key,
            each["name"],
            each["file"],
            _filled(each["text"].strip(), host, number),
            _filled(each.get("note", ""), host, number),
        )
        for key, each in _written().items()
    )
    credentials = _CREDENTIALS.get(info.auth, info.auth)
    if info.auth in {"any", "chosen"}:
        credentials += "; mail without a login is refused" if info.needs_login else ", or none"
    return Connection(host, number, _TLS[info.starttls], credentials, snippets)


def _filled(text: str, host: str, port: int) -> str:
    named = {"HOST": host, "PORT": str(port)}
    return _PLACE.sub(lambda found: named[found[0]], text)


@cache
def _written() -> dict[str, dict[str, str]]:
    """Return the lines as they are shipped."""
    return tomllib.loads((files("pillarbox.console") / "snippets.toml").read_text("utf-8"))
