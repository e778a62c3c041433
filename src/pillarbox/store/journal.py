"""The stored form of the journal: many entries in one compressed part."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import Final

import msgspec

from pillarbox.store.port import JournalEntry, MessageId

__all__ = ["DAY", "FLUSH_AFTER", "JournalBuffer", "messages_of", "pack", "payloads_of"]

DAY: Final = 86400
"""Seconds of a segment; retention drops whole ones."""

FLUSH_AFTER: Final = 1.0
"""Seconds that an entry may wait to be written: what a crash can lose."""

_ENOUGH: Final = 256 * 1024  # octets that are written without waiting
_LEVEL: Final = 1  # a higher one costs three times as much, and saves a tenth

_Packed = list[tuple[MessageId | None, bytes]]
_DECODER: Final = msgspec.msgpack.Decoder(_Packed)
_ENCODER: Final = msgspec.msgpack.Encoder()


def pack(entries: Sequence[JournalEntry]) -> bytes:
    """Encode entries for the store."""
    return zlib.compress(_ENCODER.encode([(e.message, e.payload) for e in entries]), _LEVEL)


def payloads_of(message: MessageId, part: bytes) -> Iterator[bytes]:
    """Return what a stored part says about a message."""
    for owner, payload in _DECODER.decode(zlib.decompress(part)):
        if owner == message:
            yield payload


class JournalBuffer:
    """Collects entries, so that a part is worth compressing and writing.

    One thread may add while another takes.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: list[JournalEntry] = []
        self._octets = 0

    def add(self, entries: Sequence[JournalEntry]) -> bool:
        """Add entries; return whether there are enough to be written."""
        with self._lock:
            self._entries += entries
            self._octets += sum(len(entry.payload) for entry in entries)
            return self._octets >= _ENOUGH

    def take(self) -> dict[int, list[JournalEntry]]:
        """Return the collected entries, by day, and start over."""
        with self._lock:
            entries, self._entries, self._octets = self._entries, [], 0
        days: dict[int, list[JournalEntry]] = {}
        for entry in entries:
            days.setdefault(int(entry.at // DAY), []).append(entry)
        return days


def messages_of(entries: Iterable[JournalEntry]) -> list[MessageId]:
    """Return the messages that entries are about."""
    return sorted({entry.message for entry in entries if entry.message is not None})
