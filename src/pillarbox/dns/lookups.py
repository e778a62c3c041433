"""The lookups of a ``Resolver`` by record type, based on one query method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

import dns.name

from pillarbox.dns.answers import (
    ADDRESS,
    ADDRESS_6,
    CAA,
    CNAME,
    MX,
    PTR,
    TLSA,
    TXT,
    Kind,
    question_name,
    reverse_name,
)
from pillarbox.mailauth.resolver import Answer, CaaRecord, MxRecord, TlsaRecord

__all__ = ["Lookups"]

Record = TypeVar("Record")


class Lookups(ABC):
    """The common part of resolvers; each implements ``addresses`` itself."""

    async def mx(self, name: str) -> Answer[MxRecord]:
        """Return the mail exchangers of a domain, sorted by preference, at most 25."""
        return await self._ask(name, question_name(name), MX)

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses of a host alone."""
        return await self._ask(name, question_name(name), ADDRESS)

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses of a host alone."""
        return await self._ask(name, question_name(name), ADDRESS_6)

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name, each with its strings joined."""
        return await self._ask(name, question_name(name), TXT)

    async def ptr(self, address: str) -> Answer[str]:
        """Return the host names of an IP address, in lower case without the last dot."""
        return await self._ask(address, reverse_name(address), PTR)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """Return the TLSA records of a name such as ``_25._tcp.mx.example.org``."""
        return await self._ask(name, question_name(name), TLSA)

    async def cname(self, name: str) -> Answer[str]:
        """Return the target of an alias."""
        return await self._ask(name, question_name(name), CNAME)

    async def caa(self, name: str) -> Answer[CaaRecord]:
        """Return the CAA records of a name itself (RFC 8659)."""
        return await self._ask(name, question_name(name), CAA)

    @abstractmethod
    async def _ask(
        self, name: str, question: dns.name.Name | None, kind: Kind[Record]
    ) -> Answer[Record]:
        """Answer a query; None stands for a name that cannot exist."""
