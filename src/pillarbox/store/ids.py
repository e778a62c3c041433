"""Message ids: 63 bits that grow with time and never repeat.

From the top: 41 bits of milliseconds since 2026-01-01 (enough until 2095), 10 bits of shard (which
process or node made it), 12 bits of sequence. Written as 13 characters of Crockford's base 32 in
lower case, which sort like the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.store.port import MessageId

__all__ = ["IdMaker", "first_id_at", "id_time", "parse_id", "show_id"]

_EPOCH_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_SHARD_BITS: Final = 10
_SEQUENCE_BITS: Final = 12
_TIME_SHIFT: Final = _SHARD_BITS + _SEQUENCE_BITS
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
# Ids are shown and read several times for each message, so both go by tables: pairs of
# characters for 10 bits each, and the digits that ``int`` knows for base 32.
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHOWN: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{12}")  # 3 bits, 12 times 5
_DIGITS: Final = str.maketrans(
    _ALPHABET + _ALPHABET.upper()[10:],
    "0123456789abcdefghijklmnopqrstuv" + "ABCDEFGHIJKLMNOPQRSTUV",
)


class IdMaker:
    """Makes message ids for one shard.

    The time part never goes backward, whatever the wall clock does, and borrows from the
    next millisecond when one makes more than 4,096 ids.
    """

    def __init__(self, shard: int, now: Callable[[], float]) -> None:
        """Make ids of ``shard`` (0 to 1023) by the wall clock ``now`` (seconds since 1970)."""
        if not 0 <= shard < 1 << _SHARD_BITS:
            raise PermanentError(f"shard {shard} is not in 0..{(1 << _SHARD_BITS) - 1}")
        self._shard = shard
        self._now = now
        self._milliseconds = 0
        self._sequence = 0

    def next(self) -> MessageId:
        """Return an id that this maker has not returned before."""
        milliseconds = max(int(self._now() * 1000) - _EPOCH_MS, 0)
        if milliseconds > self._milliseconds:
            self._milliseconds, self._sequence = milliseconds, 0
        else:
            self._sequence += 1
            if self._sequence >> _SEQUENCE_BITS:
                self._milliseconds, self._sequence = self._milliseconds + 1, 0
        return MessageId(
            self._milliseconds << _TIME_SHIFT | self._shard << _SEQUENCE_BITS | self._sequence
        )


def id_time(message: MessageId) -> float:
    """Return the wall clock (seconds since 1970) at which an id was made."""
    return ((message >> _TIME_SHIFT) + _EPOCH_MS) / 1000


def first_id_at(at: float) -> MessageId:
    """Return the lowest id that any shard can make at a wall clock (seconds since 1970)."""
    return MessageId(max(int(at * 1000) - _EPOCH_MS, 0) << _TIME_SHIFT)


def show_id(message: MessageId) -> str:
    """Return the 13 characters that people and logs see."""
    return (
        f"{_ALPHABET[message >> 60]}{_PAIRS[message >> 50 & 1023]}{_PAIRS[message >> 40 & 1023]}"
        f"{_PAIRS[message >> 30 & 1023]}{_PAIRS[message >> 20 & 1023]}"
        f"{_PAIRS[message >> 10 & 1023]}{_PAIRS[message & 1023]}"
    )


def parse_id(text: str) -> MessageId:
    """Read what ``show_id`` wrote, in either case.

    Raises:
        PermanentError: The text is not a message id.
    """
    if not _SHOWN.fullmatch(text):
        raise PermanentError(f"{text!r} is not a message id")
    return MessageId(int(text.translate(_DIGITS), 32))
