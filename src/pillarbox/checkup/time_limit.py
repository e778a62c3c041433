"""When a check ends: after a time, or as soon as somebody interrupts it.

What is not known by then is left out, so that it comes out as "could not be tested" and never as
failed: neither a silent server nor Ctrl-C makes anything look wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final, TypeVar

from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome, Resolver, TlsaRecord

__all__ = ["NOT_WAITED_FOR", "LimitedResolver", "TimeLimit"]

NOT_WAITED_FOR: Final = "not waited for any longer"
"""Why there is no answer, in words."""

Result = TypeVar("Result")
Record = TypeVar("Record")


class TimeLimit:
    """The end of one check, to be made where its event loop runs."""

    def __init__(self, seconds: float) -> None:
        """Let the check take so many seconds from now on."""
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + seconds
        self._stopped = asyncio.Event()

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return 0.0 if self.is_stopped else max(0.0, self._deadline - self._clock())

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has ended the check before its time."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End the check now, with what is known."""
        self._stopped.set()

    async def late(self, tasks: Collection[asyncio.Task[Any]]) -> frozenset[asyncio.Task[Any]]:
        """Wait for tasks; cancel those that are not done in time, and return them."""
        ended = asyncio.create_task(self._stopped.wait())
        pending: set[asyncio.Task[Any]] = set(tasks)
        try:
            while pending and self.left > 0:
                _, rest = await asyncio.wait(
                    {*pending, ended}, timeout=self.left, return_when=asyncio.FIRST_COMPLETED
                )
                pending = rest - {ended}
        finally:
            for task in (ended, *pending):
                task.cancel()
            await asyncio.gather(ended, *pending, return_exceptions=True)
        return frozenset(pending)

    async def result(self, asked: Coroutine[Any, Any, Result]) -> Result | None:
        """Return what comes of a coroutine, None where that takes too long."""
        if self.left <= 0:
            asked.close()
            return None
        task = asyncio.create_task(asked)
        return None if await self.late([task]) else task.result()


class LimitedResolver:
    """Asks another resolver until the time is over, and says from then on that nobody answers."""

    def __init__(self, resolver: Resolver, limit: TimeLimit) -> None:
        """Ask ``resolver``."""
        self._resolver = resolver
        self._limit = limit

    async def mx(self, name: str) -> Answer[MxRecord]:
        """Return the mail exchangers of a domain, sorted by preference."""
        return await self.within(name, "MX", self._resolver.mx(name))

    async def addresses(self, name: str) -> Answer[str]:
        """Return the IPv6 and IPv4 addresses of a host, as text, CNAMEs followed."""
        return await self.within(name, "A", self._resolver.addresses(name))

    async def a(self, name: str) -> Answer[str]:
        """Return the IPv4 addresses of a host alone."""
        return await self.within(name, "A", self._resolver.a(name))

    async def aaaa(self, name: str) -> Answer[str]:
        """Return the IPv6 addresses of a host alone."""
        return await self.within(name, "AAAA", self._resolver.aaaa(name))

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name, each with its strings joined."""
        return await self.within(name, "TXT", self._resolver.txt(name))

    async def ptr(self, address: str) -> Answer[str]:
        """Return the host names of an IP address, in lower case without the last dot."""
        return await self.within(address, "PTR", self._resolver.ptr(address))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """Return the TLSA records of a name such as ``_25._tcp.mx.example.org``."""
        return await self.within(name, "TLSA", self._resolver.tlsa(name))

    async def within(
        self, name: str, kind: str, asked: Coroutine[Any, Any, Answer[Record]]
    ) -> Answer[Record]:
        """Return an answer in time, also to what was asked elsewhere."""
        answer = await self._limit.result(asked)
        if answer is not None:
            return answer
        return Answer(name=name, type=kind, outcome=Outcome.UNAVAILABLE, reason=NOT_WAITED_FOR)
