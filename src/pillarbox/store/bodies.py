"""Reads bodies with their checksum verified, so that no whole damaged body is ever returned."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from pillarbox.store.ids import show_id
from pillarbox.store.port import BodyDamaged, MessageId

__all__ = ["checked"]


async def checked(
    message: MessageId, chunks: AsyncIterator[bytes], *, size: int, checksum: int
) -> AsyncIterator[bytes]:
    """Pass on the chunks of a body, each one late, and the last only if the whole is right.

    Args:
        message: Whose body it is, for the error.
        chunks: The stored octets in order.
        size: How many octets there must be.
        checksum: Their CRC-32.

    Raises:
        BodyDamaged: Octets are missing, too many, or changed.
    """
    found, crc = 0, 0
    last = b""
    async for chunk in chunks:
        if last:
            yield last
        found += len(chunk)
        crc = zlib.crc32(chunk, crc)
        last = chunk
    if found != size:
        raise BodyDamaged(f"body of {show_id(message)}: {found} octets instead of {size}")
    if crc != checksum:
        raise BodyDamaged(f"body of {show_id(message)}: checksum {crc:08x}, not {checksum:08x}")
    if last:
        yield last
