"""The record of one SMTP session: who said what, when, with a sentence for beginners.

It contains no secrets, and of a content only the first lines. It is bounded, so that no session
costs more memory than another by talking. Raw lines are stored; they are formatted for people when
somebody looks, which for most sessions never happens.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

__all__ = [
    "CONTENT_OCTETS",
    "HEAD",
    "MOST_LINES",
    "TAIL",
    "Entry",
    "Line",
    "Record",
    "Transcript",
    "decode",
    "encode",
    "transcribe",
]

MOST_LINES: Final = 200
HEAD: Final = 3 * MOST_LINES // 5  # of a session, that are kept from its beginning
TAIL: Final = MOST_LINES - HEAD  # and from its end
CONTENT_OCTETS: Final = 1_024  # of the beginning of a content
_CONTENT_LINES: Final = 10  # shown of them
_LINE: Final = 500  # characters

Entry = tuple[float, str, Any]
"""When (seconds since 1970); ``C``, ``S``, ``-`` or ``.`` (a content); and what: octets, octets,
a text, or the content's beginning, its size and whether it came by DATA."""


class Record(Struct, frozen=True, array_like=True):
    """One session as it is kept."""

    session: str
    client: str
    listener: str
    started_at: float
    entries: tuple[Entry, ...]
    left_out: int = 0  # entries between the first ``HEAD`` and the last ``TAIL``


class Line(Struct, frozen=True, array_like=True):
    """One line."""

    at: float  # when, seconds since 1970
    direction: str  # "C" the client said it, "S" the server, "-" it happened
    text: str  # without its line end, secrets masked
    note: str = ""  # what it means, in a sentence for beginners


class Transcript(Struct, frozen=True, kw_only=True):
    """One session for people."""

    session: str
    client: str  # the peer's address
    listener: str
    started_at: float  # seconds since 1970
    lines: tuple[Line, ...]
    left_out: int = 0  # lines that were not recorded


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return what an inbox keeps."""
    return _encoder.encode(record)


def decode(octets: bytes) -> Record:
    """Read what ``encode`` returned."""
    return _decoder.decode(octets)


def transcribe(record: Record) -> Transcript:
    """Return a record as lines."""
    lines = [line for entry in record.entries for line in _lines(*entry)]
    left_out = record.left_out
    if len(lines) > MOST_LINES:
        left_out += len(lines) - MOST_LINES
        lines = [*lines[:HEAD], *lines[len(lines) - TAIL :]]
    if left_out:
        at = lines[HEAD].at if len(lines) > HEAD else record.started_at
        lines.insert(HEAD, Line(at, "-", f"{left_out} lines are left out here"))
    return Transcript(
        session=record.session,
        client=record.client,
        listener=record.listener,
        started_at=record.started_at,
        lines=tuple(lines),
        left_out=left_out,
    )


def _lines(at: float, direction: str, what: Any) -> list[Line]:
    if direction == "C":
        return [Line(at, "C", _shown(what))]
    if direction == "S":
        return [Line(at, "S", _shown(line)) for line in what.splitlines()]
    if direction == ".":
        return _content_lines(at, *what)
    return [Line(at, "-", what)]


def _content_lines(at: float, beginning: bytes, size: int, is_data: bool) -> list[Line]:  # noqa: FBT001 - an entry's parts
    shown = beginning.split(b"\r\n", _CONTENT_LINES)
    rest = len(shown) > _CONTENT_LINES or size > len(beginning)
    if rest or not shown[-1]:
        shown.pop()
    lines = [Line(at, "C", _shown(line)) for line in shown]
    if rest:
        lines.append(Line(at, "-", f"... the rest of the content, {size:,} octets in all"))
    if is_data:
        lines.append(Line(at, "C", "."))
    return lines


def _shown(octets: bytes) -> str:
    text = octets[: 4 * _LINE].decode("utf-8", "replace")
    return text[:_LINE] + "…" if len(text) > _LINE else text
