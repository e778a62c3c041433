r"""Events as lines for people: ``2026-11-21T04:20:01.250Z recipient.delivered message=… …``.

Guarantees: one event is one line of printable text, whatever a peer put into its names, addresses
and replies: line ends, escape sequences, and characters that change the direction of writing
are escaped (``\r``, ``\x1b``, ``\u202e``), so that nobody can forge a line or control a terminal.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Final

import msgspec

from pillarbox.events.types import Event

__all__ = ["UNSAFE", "escape", "show_event", "show_time"]

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional controls, zero-width
# characters, the byte order mark, lone surrogates, and the Unicode tag characters.
UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_NAMED: Final = {"\r": "\\r", "\n": "\\n", "\t": "\\t"}
_NEEDS_QUOTES: Final = re.compile(r'[\s"=\\]')


def escape(text: str) -> str:
    """Escape every character that could forge a line or control a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return UNSAFE.sub(_escape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED:
        return _NAMED[character]
    number = ord(character)
    if number <= 0xFF:  # noqa: PLR2004 - what two hexadecimal digits can say
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004


def show_time(at: float) -> str:
    """Return a wall clock time in seconds as RFC 3339 in UTC with milliseconds."""
    seconds = int(at // 1)
    return f"{_show_second(seconds)}.{int((at - seconds) * 1000):03}Z"


@lru_cache(maxsize=8)  # thousands of events in a second share the result
def _show_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def show_event(event: Event) -> str:
    """Return an event as one line without a line end; fields at their defaults are left out.

    A conversation is left out as well: it has many lines, and ``pillarbox log`` shows it.
    """
    fields = msgspec.to_builtins(event)
    at, name = fields.pop("at"), fields.pop("event")
    fields.pop("conversation", None)
    shown = " ".join([f"{key}={_show_value(value)}" for key, value in fields.items()])
    return escape(f"{show_time(at)} {name} {shown}".rstrip(" "))


def _show_value(value: object) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list):
        return ",".join(_quote(str(item)) for item in value) or '""'
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _quote(text: str) -> str:
    """Return a value with unambiguous ends: in quotes if it contains a space or "=".

    Inside quotes, backslash and quote are escaped, so that the line can be read back.
    """
    if text and not _NEEDS_QUOTES.search(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
