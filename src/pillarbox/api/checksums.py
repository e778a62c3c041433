"""Checksums of an attachment."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pillarbox.message.mail import Attachment, Mail

__all__ = ["Checksummed", "Checksums", "checksummed", "off_the_loop"]

_QUICK: Final = 256 * 1024  # octets that are worked through in less time than a thread takes
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Checksums:
    """Of one content, in hexadecimal. MD5 and SHA-1 are here to compare, not to trust."""

    md5: str
    sha1: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Checksummed:
    """A part, its size when decoded, and its digests."""

    part: Attachment
    size: int
    checksums: Checksums


def checksummed(parts: Sequence[Attachment]) -> list[Checksummed]:
    """Return parts with their digests; each content is decoded once."""
    found = []
    for part in parts:
        content = part.content
        checksums = Checksums(
            hashlib.md5(content, usedforsecurity=False).hexdigest(),
            hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            hashlib.sha256(content).hexdigest(),
        )
        found.append(Checksummed(part, len(content), checksums))
    return found


async def off_the_loop(mail: Mail, work: Callable[[], _Result]) -> _Result:
    """Do what takes time in proportion to a mail; on a thread where that is long."""
    return work() if mail.size <= _QUICK else await asyncio.to_thread(work)
