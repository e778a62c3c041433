"""The journal as it is stored: many entries in one compressed part."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from pillarbox.store.port import JournalEntry, MessageId

__all__ = ["DAY", "pack", "payloads_of", "segments"]

DAY: Final = 86400
"""Seconds of a segment; retention drops whole ones."""

_LEVEL: Final = 1  # a higher one costs three times as much, and saves a tenth

_Packed = list[tuple[MessageId | None, bytes]]
_DECODER: Final = msgspec.msgpack.Decoder(_Packed)
_ENCODER: Final = msgspec.msgpack.Encoder()


def segments(entries: Iterable[JournalEntry]) -> dict[int, list[JournalEntry]]:
    """Sort entries by the day that they belong to, in the order they came."""
    days: dict[int, list[JournalEntry]] = {}
    for entry in entries:
        days.setdefault(int(entry.at // DAY), []).append(entry)
    return days


def pack(entries: Sequence[JournalEntry]) -> bytes:
    """Return entries as the octets that are stored."""
    return zlib.compress(_ENCODER.encode([(e.message, e.payload) for e in entries]), _LEVEL)


def payloads_of(message: MessageId, part: bytes) -> Iterator[bytes]:
    """Return what a stored part says of a message."""
    for owner, payload in _DECODER.decode(zlib.decompress(part)):
        if owner == message:
            yield payload
