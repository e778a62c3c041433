"""The transcript of a connection, for people who ask why (without secrets and contents).

While mail flows only references are stored; the lines are formatted when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, overload

from pillarbox.smtp.client_replies import printable, wire_lines
from pillarbox.smtp.reply import Reply

__all__ = ["MAX_CONVERSATION_LINES", "Conversation"]

MAX_CONVERSATION_LINES: Final = 200


class Conversation(Sequence[str]):
    """Lines such as ``> MAIL FROM:<a@b>``, ``< 250 2.1.0 Ok`` and ``> (4096 octets)``.

    At most ``MAX_CONVERSATION_LINES`` are shown; the last one then says how many are missing.
    """

    __slots__ = ("_entries", "_lines")

    def __init__(self) -> None:
        # bytes: commands we sent, each with its CRLF; int: octets of content we sent;
        # str: a line about the connection; Reply: what the peer said.
        self._entries: list[bytes | int | str | Reply] = []
        self._lines: tuple[str, ...] | None = None

    def sent(self, commands: bytes) -> None:
        """Record commands; the caller has removed secrets."""
        self._entries.append(commands)

    def sent_content(self, octets: int) -> None:
        """Record that content was sent; pieces of one content add up."""
        entries = self._entries
        if entries and isinstance(last := entries[-1], int):
            entries[-1] = last + octets
        else:
            entries.append(octets)

    def received(self, replies: list[Reply]) -> None:
        """Record a reply."""
        self._entries.extend(replies)

    def note(self, line: str) -> None:
        """Record an event that neither side said: a handshake, a timeout, a close."""
        self._entries.append(line)

    def lines(self) -> tuple[str, ...]:
        """Return the lines; nothing said later is recorded."""
        if self._lines is None:
            lines: list[str] = []
            for entry in self._entries:
                lines.extend(_format(entry))
            if len(lines) > MAX_CONVERSATION_LINES:
                kept = MAX_CONVERSATION_LINES - 1
                lines[kept:] = [f"* {len(lines) - kept} more lines"]
            self._lines = tuple(lines)
            self._entries = []
        return self._lines

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self.lines()[index]

    def __len__(self) -> int:
        return len(self.lines())

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines())

    def __repr__(self) -> str:
        return f"Conversation({list(self.lines())!r})"


def _format(entry: bytes | int | str | Reply) -> list[str]:
    # Not a match statement, which takes twice as long: this runs for every message.
    if isinstance(entry, Reply):
        return ["< " + line for line in wire_lines(entry)]
    if isinstance(entry, bytes):
        return _format_commands(entry)
    return [f"* {entry}"] if isinstance(entry, str) else [f"> ({entry} octets)"]


def _format_commands(commands: bytes) -> list[str]:
    commands = commands.removesuffix(b"\r\n")
    # ASCII is decoded and checked once for all commands, not line by line.
    if commands.isascii():
        lines = commands.decode("ascii").split("\r\n")
        if "".join(lines).isprintable():
            return ["> " + line for line in lines]
    return ["> " + printable(line) for line in commands.split(b"\r\n")]
