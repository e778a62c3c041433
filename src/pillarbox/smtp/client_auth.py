"""Log in to a server with a password: PLAIN (RFC 4616) and LOGIN, over AUTH (RFC 4954 §4)."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Set as AbstractSet
from typing import Final

__all__ = ["CANCEL", "choose_mechanism", "first_command", "responses"]

CANCEL: Final = b"*\r\n"  # RFC 4954 §4

_PREFERENCE: Final = ("PLAIN", "LOGIN")


def choose_mechanism(offered: AbstractSet[str]) -> str | None:
    """Return the mechanism to use out of those a server offers, None if we know none of them."""
    return next((name for name in _PREFERENCE if name in offered), None)


def first_command(mechanism: str, user: str, password: str) -> bytes:
    """Return the AUTH command, with the initial response where the mechanism has one."""
    if mechanism == "PLAIN":
        secret = b64encode(f"\0{user}\0{password}".encode())
        return b"AUTH PLAIN " + secret + b"\r\n"
    return f"AUTH {mechanism}\r\n".encode("ascii")


def responses(mechanism: str, user: str, password: str) -> deque[bytes]:
    """Return what answers the server's 334 replies, in their order."""
    words = () if mechanism == "PLAIN" else (user, password)
    return deque(b64encode(word.encode()) + b"\r\n" for word in words)
