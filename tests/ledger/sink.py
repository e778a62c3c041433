"""A mail server that writes what it gets into the ledger, and may be told to misbehave.

It is not built from pillarbox's own protocol code, so that a mistake there cannot hide here.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.ledger.book import Book

_LARGEST = 64 * 1024 * 1024
_EXTENSIONS = ("sink.example", "PIPELINING", "8BITMIME", "SIZE 0", "ENHANCEDSTATUSCODES")
_STUFFED = re.compile(rb"^\.", re.MULTILINE)

Mood = Callable[[], str]
"""What the sink does with the next message: "take", "defer", "refuse" or "vanish"."""


@dataclass(slots=True)
class Sink:
    """One sink and what may be changed of it while it runs."""

    book: Book
    mood: Mood = lambda: "take"
    tls: ssl.SSLContext | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._writers)

    async def hang_up(self) -> None:
        """Break all connections and wait until they are gone."""
        for writer in tuple(self._writers):
            writer.transport.abort()
        while self._writers:  # noqa: ASYNC110 - they go within a turn or two of the loop
            await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it goes."""
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink.example ESMTP\r\n")
        is_dsn = False
        while line := await reader.readline():
            verb = line[:4].upper().rstrip()
            if verb in {b"EHLO", b"LHLO"}:
                writer.write(
                    self._greeting(is_secure=writer.get_extra_info("sslcontext") is not None)
                )
            elif verb == b"MAIL":
                is_dsn = line[10:].lstrip().startswith(b"<>")
                writer.write(b"250 2.1.0 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                if not self._finish(content[:-3], writer, is_dsn=is_dsn):
                    return
            elif verb == b"STAR" and self.tls is not None:
                writer.write(b"220 2.0.0 go on\r\n")
                await writer.start_tls(self.tls)
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"250 2.0.0 ok\r\n")
            await writer.drain()

    def _greeting(self, *, is_secure: bool) -> bytes:
        lines = [*_EXTENSIONS] + (["STARTTLS"] if self.tls and not is_secure else [])
        return b"".join(
            f"250{' ' if number == len(lines) else '-'}{line}\r\n".encode()
            for number, line in enumerate(lines, 1)
        )

    def _finish(self, stuffed: bytes, writer: asyncio.StreamWriter, *, is_dsn: bool) -> bool:
        """Answer the final dot as the mood is; return whether the connection goes on."""
        mood = "take" if is_dsn else self.mood()
        if mood == "defer":
            writer.write(b"451 4.3.0 later\r\n")
        elif mood == "refuse":
            writer.write(b"554 5.6.0 not this one\r\n")
        else:
            answers = mood == "take"
            self.book.arrive(_STUFFED.sub(b"", stuffed), is_dsn=is_dsn, was_answered=answers)
            if not answers:
                writer.transport.abort()
                return False
            writer.write(b"250 2.0.0 got it\r\n")
        return True


@asynccontextmanager
async def open_sink(sink: Sink, address: str, port: int) -> AsyncIterator[Sink]:
    """Serve ``sink`` at an address until the block ends."""
    server = await asyncio.start_server(sink.serve, address, port, limit=_LARGEST, backlog=500)
    try:
        yield sink
    finally:
        server.close()
        await sink.hang_up()
        await server.wait_closed()
