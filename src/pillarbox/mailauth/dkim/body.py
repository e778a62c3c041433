"""Hashes of a body while it arrives (RFC 6376 §3.7).

Whoever will need a hash asks for it before the body comes. The body is canonicalized and hashed
once for each canonicalization, however many signatures there are and whatever they leave out with
``l=``: their hashes are taken on the way. Memory does not grow.
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
    """The hash of one body in one canonicalization, and those of its first octets."""

    __slots__ = ("_canonicalizer", "_digest", "_hash", "_marks", "_partial", "size")

    def __init__(
        self,
        canonicalization: Canonicalization,
        algorithm: str = "sha256",
        limits: Iterable[int] = (),
    ) -> None:
        """Begin with a body.

        Args:
            canonicalization: How the body is written down.
            algorithm: Name of the hash, as ``hashlib`` knows it.
            limits: Numbers of octets of the canonical body whose hashes are wanted as well.
        """
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._marks = sorted(set(limits), reverse=True)  # those still ahead, the next one last
        self._partial: dict[int, bytes] = {}
        self._digest: bytes | None = None
        self.size = 0  # octets of the canonical body; whole after `digest`
        self._canonicalizer = BodyCanonicalizer(canonicalization, self._take)

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere."""
        self._canonicalizer.feed(chunk)

    def digest(self, limit: int | None = None) -> bytes:
        """Return the hash; the body is at its end.

        Args:
            limit: One of ``limits``, for the hash of so many octets, or of all that there are.
        """
        if self._digest is None:
            self._canonicalizer.end()
            self._digest = self._hash.digest()
        return self._digest if limit is None else self._partial.get(limit, self._digest)

    def _take(self, octets: bytes) -> None:
        while self._marks and self.size + len(octets) >= self._marks[-1]:
            mark = self._marks.pop()
            until = mark - self.size
            self._hash.update(octets[:until])
            self._partial[mark] = self._hash.digest()
            octets = octets[until:]
            self.size = mark
        self._hash.update(octets)
        self.size += len(octets)


class BodyHashes:
    """All hashes that are wanted of one body."""

    __slots__ = ("_hashers",)

    def __init__(self, wanted: Iterable[BodyHash]) -> None:
        """Begin with a body."""
        limits: dict[tuple[Canonicalization, str], list[int]] = {}
        for want in wanted:
            some = limits.setdefault((want.canonicalization, want.algorithm), [])
            if want.limit is not None:
                some.append(want.limit)
        self._hashers = {kind: BodyHasher(*kind, some) for kind, some in limits.items()}

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere."""
        for hasher in self._hashers.values():
            hasher.feed(chunk)

    def digest(self, want: BodyHash) -> bytes:
        """Return a hash that was asked for; the body is at its end.

        Raises:
            KeyError: It was not asked for.
        """
        return self._hashers[want.canonicalization, want.algorithm].digest(want.limit)

    def size(self, want: BodyHash) -> int:
        """Return the octets of the whole canonical body, after ``digest``."""
        return self._hashers[want.canonicalization, want.algorithm].size
