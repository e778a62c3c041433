"""Serves a script to clients that may leave at any point, and ends with all that it began."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

from tests.scripted_server import Script, Talk

__all__ = ["serving", "silent_port"]


@contextlib.asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on loopback, with TLS from the start if told so; the port is given."""
    sessions: set[asyncio.Task[None]] = set()

    async def follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(reader, writer)
        with contextlib.closing(writer):
            try:
                await script(talk)
            except (OSError, EOFError, UnicodeDecodeError, asyncio.CancelledError):
                pass  # the client has left, or does not speak SMTP
            except AssertionError:
                if not talk.heard[-1].startswith(b"QUIT"):
                    raise

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sessions.add(asyncio.create_task(follow(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for session in sessions:
            session.cancel()
        ended = await asyncio.gather(*sessions, return_exceptions=True)
    for one in ended:
        if isinstance(one, AssertionError):
            raise one


@contextlib.asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """Listen with a queue that is full, so that connections get no answer."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port: int = full.getsockname()[1]
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
