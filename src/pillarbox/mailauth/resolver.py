"""The resolver port: the DNS queries that pillarbox makes, and the outcomes it distinguishes.

``pillarbox.dns`` implements it, over the network and from a zone file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

__all__ = ["Answer", "CaaRecord", "MxRecord", "Outcome", "Resolver", "TlsaRecord"]

Record_co = TypeVar("Record_co", covariant=True)


class Outcome(Enum):
    """The outcome of a query. Only the last one is temporary."""

    FOUND = "found"
    NO_SUCH_NAME = "no such name"  # NXDOMAIN (RFC 8020)
    NO_SUCH_DATA = "no such data"  # the name exists, but has no such type (RFC 2308 §2.2)
    UNAVAILABLE = "no answer"  # SERVFAIL, refused, time-out, malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[Record_co]):
    """The answer to one query, with everything needed to show it as evidence."""

    name: str
    type: str  # "MX", "A", "AAAA", "TXT", "PTR", "TLSA"
    outcome: Outcome
    records: tuple[Record_co, ...] = ()
    ttl: float = 0.0  # seconds for which this may be cached, negative answers included
    is_authenticated: bool = False  # the AD bit from a resolver configured as trusted
    reason: str = ""  # for UNAVAILABLE: what happened, in words


@dataclass(frozen=True, slots=True, order=True)
class MxRecord:
    """One mail exchanger (RFC 5321 §5.1). The host is "" for a null MX (RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class CaaRecord:
    """One CAA record (RFC 8659 §4)."""

    flags: int
    tag: str  # in lower case
    value: str

    @property
    def is_critical(self) -> bool:
        """Whether a CA that does not know the tag must not issue."""
        return bool(self.flags & 128)

    def __str__(self) -> str:
        """Return it as it stands in a zone file."""
        return f'{self.flags} {self.tag} "{self.value}"'


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """One TLSA record (RFC 6698 §2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        """Return it as it stands in a zone file."""
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


class Resolver(Protocol):
    """Queries DNS. Errors from DNS are never raised; they are the outcome of the answer."""

    async def mx(self, name: str) -> Answer[MxRecord]:
        """Return the mail exchangers of a domain, sorted by preference."""
        ...

    async def addresses(self, name: str) -> Answer[str]:
        """Return the IPv6 and IPv4 addresses of a host, as text, CNAMEs followed."""
        ...

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses of a host alone."""
        ...

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses of a host alone."""
        ...

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name, each with its strings joined."""
        ...

    async def ptr(self, address: str) -> Answer[str]:
        """Return the host names of an IP address, in lower case without the last dot."""
        ...

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """Return the TLSA records of a name such as ``_25._tcp.mx.example.org``."""
        ...
