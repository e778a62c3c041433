"""The record of one SMTP session: who said what, when, with a sentence for beginners.

Secrets are not in it, nor more of a content than its first lines. It is bounded, so that no
session costs more memory than another by talking.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["MOST_LINES", "Line", "Transcript", "decode", "encode"]

MOST_LINES: Final = 200


class Line(Struct, frozen=True, array_like=True):
    """One line."""

    at: float  # when, seconds since 1970
    direction: str  # "C" the client said it, "S" the server, "-" it happened
    text: str  # without its line end, secrets masked
    note: str = ""  # what it means, in a sentence for beginners; "" while it is kept


class Transcript(Struct, frozen=True, kw_only=True):
    """One session."""

    session: str
    client: str  # the peer's address
    listener: str
    started_at: float  # seconds since 1970
    lines: tuple[Line, ...]
    left_out: int = 0  # lines beyond ``MOST_LINES`` that were not recorded


_decoder: Final = msgspec.json.Decoder(Transcript)


def encode(transcript: Transcript) -> bytes:
    """Return what an inbox keeps."""
    return msgspec.json.encode(transcript)


def decode(octets: bytes) -> Transcript:
    """Read what ``encode`` returned."""
    return _decoder.decode(octets)
