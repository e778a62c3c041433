"""A client that submits marked messages and notes which ones were acknowledged.

Like the sink it is written from the RFC alone, without pillarbox's client code.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.ledger.book import Book, make_message

_CONNECT_AGAIN = 0.05  # seconds between attempts to reach a server that is down
_ANSWER = 60.0  # seconds to wait for any reply


class ServerGone(Exception):  # noqa: N818 - it is what happened
    """The server closed the connection, or said that it will."""


@dataclass(slots=True)
class Injector:
    """Some connections to one server, each sending one message after the other."""

    book: Book
    address: str
    port: int
    sizes: tuple[int, int] = (200, 8_000)  # the smallest and the largest body, in octets
    recipient: str = "b@ledger.example"
    limit: int | None = None  # messages to send in all
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _random: random.Random = field(default_factory=random.Random)

    async def run(self) -> None:
        """Send until canceled, or until the limit is reached; reconnect as often as needed."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(self.address, self.port)
            except OSError:
                await asyncio.sleep(_CONNECT_AGAIN)
                continue
            try:
                await self._converse(_Line(reader, writer))
            except (OSError, EOFError, ServerGone, TimeoutError):
                await asyncio.sleep(_CONNECT_AGAIN)
            else:
                return
            finally:
                writer.transport.abort()

    async def _converse(self, line: _Line) -> None:
        if await line.reply() != 220:
            raise ServerGone
        await line.ask(b"EHLO injector.example\r\n")
        while (number := next(self._numbers)) < (self.limit or number + 1):
            await self._send(line, f"{id(self):x}-{number}")
        await line.ask(b"QUIT\r\n")

    async def _send(self, line: _Line, uid: str) -> None:
        content, fingerprint = make_message(uid, self._random.randint(*self.sizes))
        recipient = f"RCPT TO:<{self.recipient}>\r\n".encode()
        for command in (b"MAIL FROM:<a@ledger.example>\r\n", recipient, b"DATA\r\n"):
            code = await line.ask(command)
            if code >= 400:
                await self._refused(line, code)
                return
        self.book.sent[uid] = fingerprint
        code = await line.ask(_stuff(content) + b".\r\n")
        if code == 250:
            self.book.acknowledged[uid] = time.monotonic()
        else:
            await self._refused(line, code)

    async def _refused(self, line: _Line, code: int) -> None:
        self.book.refusals[code] += 1
        if code == 421:
            raise ServerGone
        await asyncio.sleep(_CONNECT_AGAIN)
        await line.ask(b"RSET\r\n")


@dataclass(slots=True)
class _Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, octets: bytes) -> int:
        self.writer.write(octets)
        await self.writer.drain()
        return await self.reply()

    async def reply(self) -> int:
        async with asyncio.timeout(_ANSWER):
            while (line := await self.reader.readline())[3:4] == b"-":
                pass
        if not line.endswith(b"\n"):
            raise ServerGone
        return int(line[:3])


def _stuff(content: bytes) -> bytes:
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


@asynccontextmanager
async def load(injector: Injector, connections: int) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Keep ``connections`` of an injector busy until the block ends."""
    tasks = [asyncio.create_task(injector.run()) for _ in range(connections)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
