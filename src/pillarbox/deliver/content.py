"""Reads a message's content from memory or from the store."""

from __future__ import annotations

from functools import partial

from pillarbox.net.transaction import Content
from pillarbox.store.port import INLINE_BODY, KeptMessage, Store

__all__ = ["content_of", "read_start"]


async def content_of(message: KeptMessage, store: Store) -> Content:
    """Return a message's content: small ones in memory, large ones to be read in chunks.

    Raises:
        BodyDamaged: The stored body does not match its checksum.
        StoreUnavailable: The store does not answer.
    """
    if message.content is not None:
        return Content(message.size, message.content)
    if message.size > INLINE_BODY:
        return Content(message.size, read=partial(store.body, message.id))
    return Content(message.size, b"".join([chunk async for chunk in store.body(message.id)]))


async def read_start(message: KeptMessage, store: Store, size: int) -> bytes:
    """Return the first octets of a content, at least ``size`` if there are that many.

    Raises:
        BodyDamaged: The stored body does not match its checksum.
        StoreUnavailable: The store does not answer.
    """
    if message.content is not None:
        return message.content
    octets = b""
    async for chunk in store.body(message.id):
        octets += chunk
        if len(octets) >= size:
            break
    return octets
