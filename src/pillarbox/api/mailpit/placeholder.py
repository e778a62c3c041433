"""The gray PNG served in place of a thumbnail."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Final

__all__ = ["placeholder"]

_WIDTH: Final = 180  # pixels, as Mailpit's thumbnails
_HEIGHT: Final = 120
_GRAY: Final = b"\xd8"


@cache
def placeholder() -> bytes:
    """Return a picture of one color (PNG, 8 bits of gray)."""
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 0, 0, 0, 0)
    rows = (b"\0" + _GRAY * _WIDTH) * _HEIGHT  # each begins with its filter: none
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
