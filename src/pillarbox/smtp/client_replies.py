"""Parses a server's replies (RFC 5321 §4.2, RFC 2034 §4).

A reply is bounded in every direction, so that no server can fill our memory. Anything that is not a
reply is a *violation*: the parser records the reason and reads nothing more. Unprintable text is
escaped here, once, so that replies are safe in logs, notifications and terminals. It never raises.
"""

from __future__ import annotations

import re
from typing import Final

from pillarbox.smtp.reply import EnhancedCode, Reply

__all__ = [
    "MAX_REPLY_LINE",
    "MAX_REPLY_LINES",
    "MAX_REPLY_SIZE",
    "ReplyReader",
    "printable",
    "wire_lines",
]

# RFC 5321 §4.5.3.1.5 allows 512 octets; some servers write longer ones.
MAX_REPLY_LINE: Final = 2 * 1024
MAX_REPLY_LINES: Final = 100
MAX_REPLY_SIZE: Final = 64 * 1024

# RFC 5321 §4.2: three digits, then a space (last line), a hyphen (more follow) or nothing.
_LINE: Final = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
# RFC 2034 §4: the code stands before the text; some servers send nothing behind it.
_ENHANCED: Final = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")

# Servers answer in the same few words again and again; each is parsed once a connection.
_REMEMBERED_REPLIES: Final = 64
_REMEMBERED_OCTETS: Final = 128


def printable(octets: bytes) -> str:
    """Return a peer's text as one printable line: invalid UTF-8 is replaced, unprintable characters
    are escaped.
    """
    text = octets.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text.replace("\t", " ")
    )


def wire_lines(reply: Reply) -> list[str]:
    """Return a reply as it was on the wire, line by line, without line ends."""
    prefix = f"{reply.enhanced} " if reply.enhanced else ""
    if len(reply.lines) == 1:  # the common case takes a third of the time of the general one
        return [f"{reply.code} {prefix}{reply.lines[0]}".rstrip()]
    last = len(reply.lines) - 1
    return [
        f"{reply.code}{' ' if number == last else '-'}{prefix}{line}".rstrip()
        for number, line in enumerate(reply.lines)
    ]


class _Violation(Exception):  # noqa: N818 - never leaves this file
    """The input cannot be a reply."""


def _check_length(line: bytes) -> None:
    if len(line) > MAX_REPLY_LINE:
        raise _Violation(f"sent a reply line over {MAX_REPLY_LINE} octets")


class ReplyReader:
    """Parses octets into replies."""

    def __init__(self) -> None:
        self.violation = ""  # why no more is read; "" while all is well
        self._rest = b""  # the start of a line whose end has not come
        self._code = b""  # the code of the reply whose last line has not come
        self._texts: list[str] = []
        self._size = 0
        self._remembered: dict[bytes, Reply] = {}

    @property
    def has_partial(self) -> bool:
        """Whether part of a reply was read and its end is missing."""
        return bool(self._rest or self._texts)

    def feed(self, octets: bytes) -> list[Reply]:
        """Return the replies that ``octets`` complete, in order."""
        if self.violation:
            return []
        replies: list[Reply] = []
        lines = (self._rest + octets).split(b"\n") if self._rest else octets.split(b"\n")
        self._rest = lines.pop()
        try:
            for line in lines:
                reply = None if self._texts else self._remembered.get(line)
                if reply is None:
                    reply = self._read_line(line)
                if reply is not None:
                    replies.append(reply)
            _check_length(self._rest)
        except _Violation as violation:
            self.violation = str(violation)
            self._rest = b""
            self._texts.clear()
        return replies

    def _read_line(self, line: bytes) -> Reply | None:
        """Take one line; return the reply if this was its last line."""
        _check_length(line)
        # A lone LF ends a line here: nothing can be smuggled to the side that only listens.
        found = _LINE.fullmatch(line.removesuffix(b"\r"))
        if found is None:
            raise _Violation(f'sent what is no reply: "{printable(line[:80])}"')
        code, separator, text = found.groups()
        if self._texts and code != self._code:
            raise _Violation(
                f"changed the code within a reply: {self._code.decode()}, {code.decode()}"
            )
        self._code = code
        self._texts.append(printable(text or b""))
        self._size += len(line)
        if separator != b"-":
            return self._complete(line)
        if len(self._texts) >= MAX_REPLY_LINES or self._size > MAX_REPLY_SIZE:
            raise _Violation(
                f"sent a reply over {MAX_REPLY_LINES} lines or {MAX_REPLY_SIZE} octets"
            )
        return None

    def _complete(self, last_line: bytes) -> Reply:
        """Make a reply of the gathered lines."""
        texts = self._texts
        enhanced = None
        found = _ENHANCED.match(texts[0])
        # RFC 2034 §4: its class agrees with the first digit; else it is just text.
        if found is not None and texts[0][0] == chr(self._code[0]):
            enhanced = EnhancedCode.parse(found[1])
            code = found[1]
            texts = [
                text.removeprefix(code).removeprefix(" ") if text.startswith(code) else text
                for text in texts
            ]
        reply = Reply(int(self._code), tuple(texts), enhanced)
        if (
            len(texts) == 1
            and len(last_line) <= _REMEMBERED_OCTETS
            and len(self._remembered) < _REMEMBERED_REPLIES
        ):
            self._remembered[last_line] = reply
        self._texts.clear()
        self._size = 0
        return reply
