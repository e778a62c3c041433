"""Hashes of a body while it passes by (RFC 6376 §3.7).

Whoever will need a hash asks for it before the body comes; each is computed once, for all
signatures that share it. Feeding costs time in proportion to the octets and to the number of
different hashes; memory does not grow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from pillarbox.mailauth.dkim.canonicalization import BodyCanonicalizer, Canonicalization

__all__ = ["BodyHash", "BodyHasher", "BodyHashes"]


class BodyHash(NamedTuple):
    """Which hash of a body is wanted."""

    canonicalization: Canonicalization
    limit: int | None = None  # only so many octets of the canonical body (the tag l=)
    algorithm: str = "sha256"


class BodyHasher:
    """One hash of one body."""

    __slots__ = ("_canonicalizer", "_digest", "_hash", "_limit", "size")

    def __init__(
        self,
        canonicalization: Canonicalization,
        algorithm: str = "sha256",
        limit: int | None = None,
    ) -> None:
        """Begin with a body.

        Args:
            canonicalization: How the body is written down.
            algorithm: Name of the hash, as ``hashlib`` knows it.
            limit: Octets of the canonical body that are hashed; None: all.
        """
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._limit = limit
        self._digest: bytes | None = None
        self.size = 0  # octets of the canonical body; whole after `digest`
        self._canonicalizer = BodyCanonicalizer(canonicalization, self._take)

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere."""
        self._canonicalizer.feed(chunk)

    def digest(self) -> bytes:
        """Return the hash; the body is at its end."""
        if self._digest is None:
            self._canonicalizer.end()
            self._digest = self._hash.digest()
        return self._digest

    def _take(self, octets: bytes) -> None:
        if self._limit is None:
            self._hash.update(octets)
        elif self.size < self._limit:
            self._hash.update(octets[: self._limit - self.size])
        self.size += len(octets)


class BodyHashes:
    """All hashes that are wanted of one body."""

    __slots__ = ("_hashers",)

    def __init__(self, wanted: Iterable[BodyHash]) -> None:
        """Begin with a body."""
        self._hashers = {
            want: BodyHasher(want.canonicalization, want.algorithm, want.limit) for want in wanted
        }

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere."""
        for hasher in self._hashers.values():
            hasher.feed(chunk)

    def digest(self, want: BodyHash) -> bytes:
        """Return a hash that was asked for; the body is at its end.

        Raises:
            KeyError: It was not asked for.
        """
        return self._hashers[want].digest()

    def size(self, want: BodyHash) -> int:
        """Return the octets of the whole canonical body, after ``digest``."""
        return self._hashers[want].size
