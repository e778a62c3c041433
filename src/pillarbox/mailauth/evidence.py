"""Records the DNS queries behind a decision, with their answers.

A ``RecordingResolver`` wraps another resolver for the duration of one decision::

    asked = RecordingResolver(resolver, loop.time)
    found = await spf.check_host(ip, domain, sender, asked)
    asked.evidence  # every answer that was used, with the time it took
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome, Resolver, TlsaRecord

__all__ = ["Evidence", "PublishedResolver", "RecordingResolver"]

Record = TypeVar("Record")

_MAX_EVIDENCE: Final = 500  # answers of one decision; no check asks for so many
_MAX_RECORDS: Final = 20
_MAX_TEXT: Final = 1000  # characters of one record


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One answer that was used."""

    name: str
    type: str
    outcome: Outcome
    records: tuple[str, ...]  # as text, as in a zone file
    ttl: float  # seconds, as the server said
    is_authenticated: bool
    reason: str  # for UNAVAILABLE
    seconds: float  # until the answer arrived; close to 0 from a cache

    def __str__(self) -> str:
        what = ", ".join(self.records) or self.reason or self.outcome.value
        return f"{self.name} {self.type}: {what}"


class RecordingResolver:
    """Records the answers of another resolver."""

    def __init__(self, resolver: Resolver, monotonic: Callable[[], float]) -> None:
        """Ask ``resolver``; ``monotonic`` measures the time in seconds."""
        self._resolver = resolver
        self._monotonic = monotonic
        self.evidence: list[Evidence] = []

    async def mx(self, name: str) -> Answer[MxRecord]:
        """Return the mail exchangers of a domain, sorted by preference."""
        return await self.recorded(self._resolver.mx(name))

    async def addresses(self, name: str) -> Answer[str]:
        """Return the IPv6 and IPv4 addresses of a host, as text, CNAMEs followed."""
        return await self.recorded(self._resolver.addresses(name))

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses of a host alone."""
        return await self.recorded(self._resolver.a(name))

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses of a host alone."""
        return await self.recorded(self._resolver.aaaa(name))

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name, each with its strings joined."""
        return await self.recorded(self._resolver.txt(name))

    async def ptr(self, address: str) -> Answer[str]:
        """Return the host names of an IP address, in lower case without the last dot."""
        return await self.recorded(self._resolver.ptr(address))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """Return the TLSA records of a name such as ``_25._tcp.mx.example.org``."""
        return await self.recorded(self._resolver.tlsa(name))

    async def recorded(self, asked: Awaitable[Answer[Record]]) -> Answer[Record]:
        """Record an answer and return it; it may come from another query path."""
        begin = self._monotonic()
        answer = await asked
        if len(self.evidence) < _MAX_EVIDENCE:
            shown = (_text(record)[:_MAX_TEXT] for record in answer.records[:_MAX_RECORDS])
            self.evidence.append(
                Evidence(
                    name=answer.name,
                    type=answer.type,
                    outcome=answer.outcome,
                    records=tuple(shown),
                    ttl=answer.ttl,
                    is_authenticated=answer.is_authenticated,
                    reason=answer.reason,
                    seconds=self._monotonic() - begin,
                )
            )
        return answer


class PublishedResolver(RecordingResolver):
    """Answers as if certain TXT records were already published, and records the answers."""

    def __init__(
        self, resolver: Resolver, monotonic: Callable[[], float], published: dict[str, bytes]
    ) -> None:
        """Ask ``resolver``, except for the TXT records of the names in ``published``."""
        super().__init__(resolver, monotonic)
        self._published = {name.lower().rstrip("."): text for name, text in published.items()}

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name, each with its strings joined."""
        text = self._published.get(name.lower().rstrip("."))
        if text is None:
            return await super().txt(name)
        return Answer(name=name, type="TXT", outcome=Outcome.FOUND, records=(text,))


def _text(record: object) -> str:
    match record:
        case bytes():
            return '"' + record.decode("utf-8", "backslashreplace") + '"'
        case MxRecord():
            return f"{record.preference} {record.host}."
        case TlsaRecord():
            data = record.data.hex()
            return f"{record.usage} {record.selector} {record.matching} {data}"
        case _:
            return str(record)
