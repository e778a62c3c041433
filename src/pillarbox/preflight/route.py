"""The route of a message, from its Received fields (RFC 5321 §4.4, RFC 3848, RFC 8314 §4.3).

Each server records what it saw of the one before. What is below the field of the first trusted
server may be forged. Nothing is raised; what a field does not say is empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from pillarbox.message.dates import read_date
from pillarbox.message.header import Header
from pillarbox.policy.public_addresses import is_public_address

__all__ = ["Hop", "Protection", "client_of", "read_route"]

_MAX_HOPS: Final = 100
_MAX_FIELD: Final = 4_000  # octets that are looked at
_COMMENT: Final = re.compile(r"\((?:[^()\\]|\\.)*\)", re.DOTALL)
_NESTING: Final = 3  # comments in comments that are taken out
_FROM: Final = re.compile(r"\s*from\s+(\S+)", re.IGNORECASE)
_BY: Final = re.compile(r"(?:^|\s)by\s+([^\s;]+)", re.IGNORECASE)
_WITH: Final = re.compile(r"\swith\s+([A-Za-z0-9]+)", re.IGNORECASE)
_ID: Final = re.compile(r"\sid\s+<?([^\s;>]+)", re.IGNORECASE)
_FOR: Final = re.compile(r"\sfor\s+<?([^\s;<>]+)", re.IGNORECASE)
_LITERAL: Final = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)
_BARE_ADDRESS: Final = re.compile(
    r"\(([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)\)"
)
_NAME: Final = re.compile(r"\(\s*([A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]{2,})\.?\s")
_TLS: Final = re.compile(
    r"\b(?:version=|using |with )?(TLS|SSL)\s*v?\s*(\d)(?:[._](\d))?", re.IGNORECASE
)
_SUITE: Final = re.compile(r"\stls\s+(TLS_\w+)", re.IGNORECASE)
# RFC 3848: an S behind the protocol says TLS, an A says AUTH.
_PROTOCOL: Final = re.compile(r"(?:utf8)?(?:e?smtp|lmtp)(s?)(a?)", re.IGNORECASE)
_PLAIN: Final = re.compile(r"(?:utf8)?e?smtpa?", re.IGNORECASE)


class Protection(Struct, frozen=True):
    """How the octets were protected between two servers."""

    is_encrypted: bool | None  # None: the field does not say
    version: str = ""  # "TLS 1.3", "" where it is not said


class Hop(Struct, frozen=True, kw_only=True):
    """One server that took the mail."""

    number: int  # from 1, the first server that took it
    client: str  # what the one before called itself
    client_name: str  # the verified name, "" where it is not said
    address: str  # the client's IP address, "" where it is not said
    server: str
    protocol: str  # as written: "ESMTPS"
    queue_id: str
    recipient: str
    at: float | None  # seconds since 1970
    delay: float | None  # seconds since the hop before; negative where clocks differ
    protection: Protection
    is_authenticated: bool  # the client had logged in

    @property
    def is_local(self) -> bool:
        """Whether it was within one machine or network, or was no transfer at all."""
        return not self.address or not is_public_address(self.address)


def read_route(header: Header) -> tuple[Hop, ...]:
    """Return the hops of a mail, the first one first."""
    fields = header.get_all(b"received")[:_MAX_HOPS]
    hops: list[Hop] = []
    before: float | None = None
    for value in reversed(fields):
        hop = _hop(value, len(hops) + 1, before)
        hops.append(hop)
        before = hop.at if hop.at is not None else before
    return tuple(hops)


def client_of(hops: Sequence[Hop]) -> Hop | None:
    """Return the hop by which the mail came in to who holds it: the last one from outside.

    Everything above it is within the receiver's own network.
    """
    return next((hop for hop in reversed(hops) if not hop.is_local), None)


def _hop(value: bytes, number: int, before: float | None) -> Hop:
    text = value[:_MAX_FIELD].decode("utf-8", "replace")
    clauses, _, date = text.rpartition(";")
    if not clauses:
        clauses, date = text, ""
    plain = _without_comments(clauses)
    at = read_date(date.strip().encode())
    begin = _BY.search(clauses)
    origin = clauses[: begin.start()] if begin is not None else clauses
    protocol = _first(_WITH, plain)
    named = _NAME.search(origin)
    kind = _PROTOCOL.fullmatch(protocol)
    return Hop(
        number=number,
        client=_first(_FROM, plain),
        client_name=named[1] if named is not None else "",
        address=_address(origin) if _FROM.match(clauses) else "",
        server=_first(_BY, plain),
        protocol=protocol,
        queue_id=_first(_ID, plain),
        recipient=_first(_FOR, plain),
        at=at,
        delay=at - before if at is not None and before is not None else None,
        protection=_protection(clauses, protocol),
        is_authenticated=kind is not None and bool(kind[2]),
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return "" if found is None else found[1].strip("()<>,;")


def _without_comments(text: str) -> str:
    for _ in range(_NESTING):
        if "(" not in text:
            break
        text = _COMMENT.sub(" ", text)
    return text


def _address(origin: str) -> str:
    # The last literal is what the server saw; one before it may be what the client said.
    for text in (*reversed(_LITERAL.findall(origin)), *_BARE_ADDRESS.findall(origin)):
        try:
            return str(ip_address(text))
        except ValueError:
            continue
    return ""


def _protection(clauses: str, protocol: str) -> Protection:
    if (found := _TLS.search(clauses)) is not None:
        name = f"{found[1].upper()} {found[2]}" + (f".{found[3]}" if found[3] else "")
        return Protection(is_encrypted=True, version=name)
    kind = _PROTOCOL.fullmatch(protocol)
    if _SUITE.search(clauses) or (kind is not None and kind[1]):
        return Protection(is_encrypted=True)
    return Protection(is_encrypted=False if _PLAIN.fullmatch(protocol) else None)
