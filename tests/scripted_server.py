"""A server on loopback that does exactly what a test tells it, however bad that is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.client_dialog import CONTENT, envelope

from pillarbox.config.settings import DeliverySettings, TlsMode
from pillarbox.net.channel import Channel
from pillarbox.net.dialer import SocketDialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts
from pillarbox.net.transaction import Content, Transaction

BRISK = DeliverySettings(
    connect_timeout=2.0,
    greeting_timeout=0.25,
    command_timeout=0.25,
    data_timeout=0.25,
    block_timeout=0.25,
    final_timeout=0.25,
)
PATIENT = DeliverySettings(
    connect_timeout=10.0,
    greeting_timeout=10.0,
    command_timeout=10.0,
    data_timeout=10.0,
    block_timeout=10.0,
    final_timeout=10.0,
)


class Talk:
    """One connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard: list[bytes] = []

    async def say(self, *lines: str) -> None:
        """Send lines."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def hear(self, verb: str = "") -> str:
        """Read a line that has to start with ``verb``."""
        line = await self.reader.readline()
        self.heard.append(line)
        if not line:
            raise EOFError
        assert line.upper().startswith(verb.encode()), line
        return line.decode().rstrip("\r\n")

    async def hello(self, *extensions: str) -> None:
        """Greet, hear EHLO and offer extensions."""
        await self.say("220 mx.test ESMTP")
        await self.ehlo(*extensions)

    async def ehlo(self, *extensions: str) -> None:
        """Hear EHLO and offer extensions."""
        await self.hear("EHLO")
        await self.say(*(f"250-{keyword}" for keyword in ("mx.test", *extensions)), "250 HELP")

    async def content(self) -> bytes:
        """Read up to the final dot."""
        return await self.reader.readuntil(b"\r\n.\r\n")

    async def take(self) -> bytes:
        """Take a message of one recipient by DATA and return it as it came."""
        for verb, reply in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go")):
            await self.hear(verb)
            await self.say(reply)
        content = await self.content()
        await self.say("250 2.0.0 kept")
        return content

    async def goodbye(self) -> None:
        """Answer QUIT."""
        await self.hear("QUIT")
        await self.say("221 bye")

    async def secure(self, context: ssl.SSLContext) -> None:
        """Hear STARTTLS and make the handshake."""
        await self.hear("STARTTLS")
        await self.say("220 go")
        await self.writer.start_tls(context)


Script = Callable[[Talk], Awaitable[None]]


@asynccontextmanager
async def serve(*scripts: Script, path: Path | None = None) -> AsyncIterator[Endpoint]:
    """Serve connections by these scripts, the last one again and again."""
    connections = 0
    failures: list[BaseException] = []

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        script = scripts[min(connections, len(scripts) - 1)]
        connections += 1
        try:
            await script(Talk(reader, writer))
        except (OSError, EOFError):
            pass  # the client has left
        except AssertionError as error:
            failures.append(error)
        finally:
            writer.close()

    if path is not None:
        server = await asyncio.start_unix_server(on_connection, path)
        endpoint = Endpoint("store.test", str(path), 0)
    else:
        server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
        endpoint = Endpoint("mx.test", "127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield endpoint
    finally:
        server.close()
    assert not failures, failures


async def dial(endpoint: Endpoint, **more: object) -> Channel:
    """Open a channel in the clear, with patience, unless told otherwise."""
    terms: dict[str, object] = {
        "hello_name": "client.test",
        "tls": TlsMode.NONE,
        "timeouts": PATIENT,
        **more,
    }
    options = ChannelOptions(**terms)  # type: ignore[arg-type]
    return await open_channel(endpoint, options, SocketDialer(), TlsContexts())


async def hang_up(channel: Channel) -> None:
    """Say QUIT and leave nothing open, however long the server takes to end TLS."""
    transport = channel.transport
    await channel.quit()
    if transport is not None:
        transport.abort()
    await asyncio.sleep(0.01)


def message(*recipients: str, content: bytes = CONTENT) -> Transaction:
    """Return a message for these recipients."""
    return Transaction(
        envelope=envelope(*recipients), content=Content(len(content), octets=content)
    )
