"""Hashes a body while it arrives (RFC 6376 §3.7).

Every hash is requested before the body arrives. The body is canonicalized and hashed once for each
canonicalization, however many signatures there are; the hashes for ``l=`` limits are taken along
the way. Memory does not grow with the body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from pillarbox.mailauth.dkim.canonicalization import BodyCanonicalizer, Canonicalization

__all__ = ["BodyHash", "BodyHasher", "BodyHashes"]


class BodyHash(NamedTuple):
    """One requested hash of a body."""

    canonicalization: Canonicalization
    limit: int | None = None  # only this many octets of the canonical body (the tag l=)
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
            canonicalization: The canonicalization of the body.
            algorithm: Name of the hash, as ``hashlib`` knows it.
            limits: Numbers of octets of the canonical body whose hashes are wanted as well.
        """
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._marks = sorted(set(limits), reverse=True)  # the ones still ahead, the next one last
        self._partial: dict[int, bytes] = {}
        self._digest: bytes | None = None
        self.size = 0  # octets of the canonical body; complete after `digest`
        self._canonicalizer = BodyCanonicalizer(canonicalization, self._take)

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere."""
        self._canonicalizer.feed(chunk)

    def digest(self, limit: int | None = None) -> bytes:
        """Return the hash, after the whole body was fed.

        Args:
            limit: One of ``limits``, for the hash of that many octets; None: the whole body.
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
    """All requested hashes of one body."""

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
        """Return a requested hash, after the whole body was fed.

        Raises:
            KeyError: It was not requested.
        """
        return self._hashers[want.canonicalization, want.algorithm].digest(want.limit)

    def size(self, want: BodyHash) -> int:
        """Return the octets of the whole canonical body, after ``digest``."""
        return self._hashers[want.canonicalization, want.algorithm].size
