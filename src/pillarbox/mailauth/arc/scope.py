"""Which octets a seal signs (RFC 8617 §5.1.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from pillarbox.mailauth.dkim.canonicalization import Canonicalization, canonical_field
from pillarbox.mailauth.dkim.fields import without_signature

__all__ = ["SetLines", "seal_digests"]


class SetLines(NamedTuple):
    """The fields of one set, in the order in which they are sealed."""

    results: bytes
    signature: bytes
    seal: bytes


def seal_digests(sets: Iterable[SetLines]) -> list[bytes]:
    """Return the hash that each seal signs: all sets up to its own, in relaxed form.

    Args:
        sets: From the oldest to the newest. Each is hashed once, for all seals above it.
    """
    way = Canonicalization.RELAXED
    running = hashlib.sha256()
    digests = []
    for lines in sets:
        running.update(canonical_field(lines.results, way))
        running.update(canonical_field(lines.signature, way))
        own = running.copy()
        own.update(canonical_field(without_signature(lines.seal), way).removesuffix(b"\r\n"))
        digests.append(own.digest())
        running.update(canonical_field(lines.seal, way))
    return digests
