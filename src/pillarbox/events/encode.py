"""Events as JSON: one encoding for the log line and for the message's history.

Guarantees: ``encode`` produces one line in which every character that could control a terminal is
escaped, never raises, and takes well under a microsecond; ``decode`` restores an equal event. It
returns None only for a payload that this version does not know, such as one written by a newer
pillarbox.
"""

from __future__ import annotations

import re
from typing import Any, Final, Union

import msgspec

from pillarbox.events.text import UNSAFE
from pillarbox.events.types import ALL_EVENTS, Event

__all__ = ["decode", "encode", "message_of"]

_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Union[ALL_EVENTS])  # noqa: UP007 - made at run time


def encode(event: Event) -> bytes:
    """Return an event as one line of JSON, without a line end."""
    try:
        line = _encode(event)
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot encode
        line = _encode(_without_surrogates(event))
    # JSON itself escapes only C0 controls; outside of strings all is ASCII.
    if line.isascii() and b"\x7f" not in line:
        return line
    return UNSAFE.sub(_escape_one, line.decode()).encode()


def decode(payload: bytes) -> Event | None:
    """Return the event that ``encode`` wrote, or None for an unknown kind."""
    try:
        event: Event = _decoder.decode(payload)
    except msgspec.MsgspecError:
        return None
    return event


def message_of(event: Event) -> str:
    """Return the id of the message whose history an event belongs to, or ""."""
    message: str = getattr(event, "message", "")
    return message


def _escape_one(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number <= 0xFFFF:  # noqa: PLR2004 - beyond it, JSON wants a surrogate pair
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"


def _without_surrogates(event: Event) -> Event:
    fields = {name: _printable(value) for name, value in msgspec.structs.asdict(event).items()}
    return type(event)(**fields)


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return value
