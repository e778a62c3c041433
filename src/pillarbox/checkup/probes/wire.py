"""One connection to a probed SMTP server: lines out, replies in, all bounded."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass, field
from typing import Final

from pillarbox.checkup.facts.smtp import Failure
from pillarbox.net.tls import shown_chain
from pillarbox.smtp.client_replies import ReplyReader, wire_lines
from pillarbox.smtp.reply import Reply

__all__ = ["StageFailed", "Wire", "failure_of"]

_UNREACHABLE: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES}
)
_CHUNK: Final = 16_384
_MAX_LINES: Final = 400


class StageFailed(Exception):  # noqa: N818 - a stage fails, it does not err
    """A stage did not come to its end."""

    def __init__(self, failure: Failure, detail: str = "", reply: Reply | None = None) -> None:
        super().__init__(detail or failure.value)
        self.failure = failure
        self.detail = detail
        self.reply = reply


def failure_of(error: Exception) -> StageFailed:
    """Return what an error of the network or of TLS means."""
    match error:
        case StageFailed():
            return error
        case ssl.SSLCertVerificationError():
            return StageFailed(Failure.UNTRUSTED, error.verify_message)
        case ssl.SSLError():
            return StageFailed(Failure.TLS, (error.reason or str(error)).replace("_", " ").lower())
        case TimeoutError():
            return StageFailed(Failure.TIMED_OUT)
        case ConnectionRefusedError():
            return StageFailed(Failure.REFUSED)
        case EOFError() | BrokenPipeError():
            return StageFailed(Failure.CLOSED)
        case ConnectionError():
            # asyncio says so, without a number, when the other side leaves in a handshake.
            is_closed = error.errno is None
            return StageFailed(Failure.CLOSED if is_closed else Failure.RESET)
        case OSError() if error.errno in _UNREACHABLE:
            return StageFailed(Failure.UNREACHABLE, error.strerror or "")
        case _:
            return StageFailed(Failure.UNREACHABLE, str(error))


@dataclass(slots=True)
class Wire:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    lines: list[str]
    _replies: ReplyReader = field(default_factory=ReplyReader)
    _ready: list[Reply] = field(default_factory=list)

    @classmethod
    async def open(cls, address: str, port: int, lines: list[str]) -> Wire:
        """Connect."""
        reader, writer = await asyncio.open_connection(address, port)
        return cls(reader, writer, lines)

    async def secure(self, context: ssl.SSLContext, name: str | None) -> None:
        """Make the TLS handshake; what was read before it counts no more (RFC 3207 §4.2)."""
        await self.writer.start_tls(context, server_hostname=name)
        self._replies = ReplyReader()
        self._ready.clear()
        session = self.session
        self._note("*", f"{session.version()} {(session.cipher() or ('',))[0]}")

    @property
    def session(self) -> ssl.SSLObject:
        """The TLS session, once there is one."""
        found: ssl.SSLObject = self.writer.get_extra_info("ssl_object")
        return found

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server has shown, in DER."""
        return shown_chain(self.writer.transport)

    async def say(self, *commands: str) -> None:
        """Send commands in one piece."""
        for command in commands:
            self._note(">", command)
        self.writer.write("".join(f"{command}\r\n" for command in commands).encode())
        await self.writer.drain()

    async def send(self, octets: bytes) -> None:
        """Send octets as they are, of which nothing is noted."""
        self.writer.write(octets)
        await self.writer.drain()

    async def hear(self) -> Reply:
        """Return the next reply.

        Raises:
            StageFailed: What comes is no reply.
            EOFError: The server has closed the connection.
        """
        while not self._ready:
            octets = await self.reader.read(_CHUNK)
            if not octets:
                raise EOFError
            self._ready += self._replies.feed(octets)
            if self._replies.violation and not self._ready:
                raise StageFailed(Failure.NOT_SMTP, f"it {self._replies.violation}")
        reply = self._ready.pop(0)
        for line in wire_lines(reply):
            self._note("<", line)
        return reply

    async def ask(self, command: str) -> Reply:
        """Send a command and return its reply."""
        await self.say(command)
        return await self.hear()

    async def close(self) -> None:
        """End the connection at once."""
        self.writer.transport.abort()
        await asyncio.sleep(0)  # the loop lets go of the socket in its next turn

    def _note(self, mark: str, text: str) -> None:
        if len(self.lines) < _MAX_LINES:
            self.lines.append(f"{mark} {text}")
