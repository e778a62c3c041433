"""The extensions of a server: its reply to EHLO or LHLO as a value (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pillarbox.smtp.reply import Reply

__all__ = ["Extensions", "read_extensions"]

_MAX_DIGITS: Final = 18  # anything longer is not a message size


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """A server's name and extensions; a server that only knows HELO has none."""

    name: str = ""  # as it calls itself
    pipelining: bool = False  # RFC 2920
    eight_bit_mime: bool = False  # RFC 6152
    smtputf8: bool = False  # RFC 6531
    chunking: bool = False  # RFC 3030
    dsn: bool = False  # RFC 3461
    starttls: bool = False  # RFC 3207
    requiretls: bool = False  # RFC 8689
    enhanced_codes: bool = False  # RFC 2034
    takes_size: bool = False  # RFC 1870: MAIL may say SIZE
    max_size: int | None = None  # octets; None: no limit that it tells
    max_recipients: int | None = None  # of one transaction (RFC 9422 RCPTMAX)
    max_messages: int | None = None  # of one connection (RFC 9422 MAILMAX)
    auth: frozenset[str] = field(default_factory=frozenset)  # mechanisms (RFC 4954)


def _number(word: str) -> int | None:
    """Return a positive number, None for anything else."""
    if not (word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS):
        return None
    return int(word) or None


def _size(words: list[str], _: dict[str, Any]) -> dict[str, Any]:
    # RFC 1870 §4: no number, or zero, means that there is no fixed limit.
    return {"takes_size": True, "max_size": _number(words[0]) if words else None}


def _auth(words: list[str], found: dict[str, Any]) -> dict[str, Any]:
    mechanisms = frozenset(word.upper() for word in words)
    return {"auth": found.get("auth", frozenset()) | mechanisms}


def _limits(words: list[str], _: dict[str, Any]) -> dict[str, Any]:
    limits = dict(word.upper().split("=", 1) for word in words if "=" in word)
    return {
        "max_recipients": _number(limits.get("RCPTMAX", "")),
        "max_messages": _number(limits.get("MAILMAX", "")),
    }


_Reader = Callable[[list[str], dict[str, Any]], dict[str, Any]]


def _flag(name: str) -> _Reader:
    return lambda _words, _found: {name: True}


_KEYWORDS: Final[dict[str, _Reader]] = {
    "PIPELINING": _flag("pipelining"),
    "8BITMIME": _flag("eight_bit_mime"),
    "SMTPUTF8": _flag("smtputf8"),
    "CHUNKING": _flag("chunking"),
    "DSN": _flag("dsn"),
    "STARTTLS": _flag("starttls"),
    "REQUIRETLS": _flag("requiretls"),
    "ENHANCEDSTATUSCODES": _flag("enhanced_codes"),
    "SIZE": _size,
    "AUTH": _auth,
    "LIMITS": _limits,
}


def read_extensions(reply: Reply) -> Extensions:
    """Return what a positive reply to EHLO or LHLO offers; unknown extensions are ignored."""
    found: dict[str, Any] = {}
    for line in reply.lines[1:]:
        # Old servers write "AUTH=LOGIN".
        keyword, *words = line.replace("AUTH=", "AUTH ", 1).split() or [""]
        reader = _KEYWORDS.get(keyword.upper())
        if reader is not None:
            found |= reader(words, found)
    return Extensions(name=next(iter(reply.lines[0].split()), ""), **found)
