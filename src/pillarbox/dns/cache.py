"""A cache in front of any resolver.

Answers, including negative ones (RFC 2308 §5), are cached for their TTL within bounds; failures
(RFC 2308 §7) only for a moment, so that a thousand messages to one dead domain cause one query.
Concurrent equal queries are merged. The cache is bounded by weight and evicts the least recently
used answers first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, cast

from pillarbox.clock import Clock
from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome, Resolver, TlsaRecord

__all__ = ["CachingResolver"]

Record = TypeVar("Record")
_Key = tuple[str, str]

_UNIT: Final = 1024  # octets of text that weigh as much as an answer
_LONGEST: Final[dict[Outcome, float]] = {
    Outcome.FOUND: 86_400.0,  # RFC 8767 §4 suggests seven days; a day is common
    Outcome.NO_SUCH_NAME: 3_600.0,  # RFC 2308 §5: one to three hours
    Outcome.NO_SUCH_DATA: 3_600.0,
    Outcome.UNAVAILABLE: 10.0,  # RFC 2308 §7.1: at most five minutes
}


class CachingResolver:
    """Answers repeated queries from memory."""

    def __init__(self, resolver: Resolver, clock: Clock, *, capacity: int = 50_000) -> None:
        """Ask ``resolver`` for anything not among the last ``capacity`` answers.

        An answer with long records counts as several.
        """
        self._resolver = resolver
        self._clock = clock
        self._capacity = capacity
        self._answers: OrderedDict[_Key, tuple[float, Answer[Any], int]] = OrderedDict()
        self._weight = 0
        self._asked: dict[_Key, asyncio.Task[Answer[Any]]] = {}

    def use(self, resolver: Resolver) -> None:
        """Use another resolver from now on, and drop the answers of the old one."""
        self._resolver = resolver
        self.clear()

    def clear(self) -> None:
        """Drop all answers."""
        self._answers.clear()
        self._weight = 0

    async def mx(self, name: str) -> Answer[MxRecord]:
        """Return the mail exchangers of a domain, sorted by preference."""
        return await self._get("MX", name, self._resolver.mx)

    async def addresses(self, name: str) -> Answer[str]:
        """Return the IPv6 and IPv4 addresses of a host, as text, CNAMEs followed."""
        return await self._get("AAAA/A", name, self._resolver.addresses)

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses of a host alone."""
        return await self._get("A", name, self._resolver.a)

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses of a host alone."""
        return await self._get("AAAA", name, self._resolver.aaaa)

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name, each with its strings joined."""
        return await self._get("TXT", name, self._resolver.txt)

    async def ptr(self, address: str) -> Answer[str]:
        """Return the host names of an IP address, in lower case without the last dot."""
        return await self._get("PTR", address, self._resolver.ptr)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """Return the TLSA records of a name such as ``_25._tcp.mx.example.org``."""
        return await self._get("TLSA", name, self._resolver.tlsa)

    async def _get(
        self,
        type_: str,
        name: str,
        ask: Callable[[str], Coroutine[Any, Any, Answer[Record]]],
    ) -> Answer[Record]:
        key = (type_, name.lower().rstrip("."))
        kept = self._answers.get(key)
        if kept is not None and kept[0] > self._clock.monotonic():
            self._answers.move_to_end(key)
            return cast("Answer[Record]", kept[1])
        task = self._asked.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(key, ask(name)))
            self._asked[key] = task
        # A canceled waiter must not cancel the query for the others.
        return cast("Answer[Record]", await asyncio.shield(task))

    async def _ask(
        self, key: _Key, question: Coroutine[Any, Any, Answer[Record]]
    ) -> Answer[Record]:
        try:
            answer = await question
        finally:
            del self._asked[key]
        self._keep(key, answer)
        return answer

    def _keep(self, key: _Key, answer: Answer[Any]) -> None:
        longest = _LONGEST[answer.outcome]
        ttl = longest if answer.outcome is Outcome.UNAVAILABLE else min(answer.ttl, longest)
        if ttl <= 0:
            return
        self._forget(key)
        weight = _weight(answer)
        self._answers[key] = (self._clock.monotonic() + ttl, answer, weight)
        self._weight += weight
        while self._weight > self._capacity:
            self._forget(next(iter(self._answers)))

    def _forget(self, key: _Key) -> None:
        if (kept := self._answers.pop(key, None)) is not None:
            self._weight -= kept[2]


def _weight(answer: Answer[Any]) -> int:
    """Return the weight of an answer: a name may have 64 KiB of text."""
    octets = sum(len(record) for record in answer.records if isinstance(record, bytes))
    return 1 + octets // _UNIT
