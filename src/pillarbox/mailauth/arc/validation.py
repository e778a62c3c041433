"""Validates the ARC chain of a message, in two halves (RFC 8617 §5.2).

``prepare`` reads the header and says which body hash is needed; the body arrives in chunks;
``conclude`` fetches the keys and judges. Work is bounded: 50 sets, each seal checked once over
octets that are hashed once, no key fetched twice. The content of a message or of DNS never raises
an exception.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pillarbox.mailauth.arc.scope import seal_digests
from pillarbox.mailauth.arc.sets import FIELD_NAMES, ArcSet, BrokenChain, collect_sets
from pillarbox.mailauth.dkim.algorithm import verify_digest
from pillarbox.mailauth.dkim.body import BodyHash, BodyHashes
from pillarbox.mailauth.dkim.canonicalization import canonical_field
from pillarbox.mailauth.dkim.fields import HeaderFields, without_signature
from pillarbox.mailauth.dkim.outcome import Result, Unverifiable
from pillarbox.mailauth.dkim.record import KeyRecord, find_keys
from pillarbox.mailauth.dkim.signature import Seal
from pillarbox.mailauth.resolver import Resolver
from pillarbox.message.header import Header, scan_header

__all__ = ["Chain", "ChainStatus", "PreparedChain", "prepare", "validate"]


class ChainStatus(Enum):
    """The result for a chain, in the terms of the tag cv= (RFC 8617 §4.4)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain that was validated."""

    status: ChainStatus
    reason: str
    sets: tuple[ArcSet, ...] = ()  # from the oldest to the newest; () if they cannot be read
    is_temporary: bool = False  # it failed because DNS did not answer

    @property
    def sealers(self) -> tuple[str, ...]:
        """The domains that sealed, from the oldest to the newest."""
        return tuple(one.seal.domain for one in self.sets)


class PreparedChain:
    """The chain of one message, before its body is known."""

    __slots__ = ("_broken", "_header", "sets")

    def __init__(self, header: Header) -> None:
        """Read the sets of a header."""
        self._header = header
        self._broken = ""
        self.sets: tuple[ArcSet, ...] = ()
        if FIELD_NAMES.isdisjoint(header.names):  # as in most mail
            return
        try:
            self.sets = collect_sets(HeaderFields(header))
        except BrokenChain as error:
            self._broken = str(error)

    @property
    def wanted(self) -> frozenset[BodyHash]:
        """The body hashes that are needed: that of the newest set."""
        return frozenset({self.sets[-1].signature.wanted}) if self.sets else frozenset()

    async def conclude(self, body: BodyHashes, resolver: Resolver) -> Chain:
        """Judge the chain.

        Args:
            body: What was fed with the whole body; it has at least the hashes ``wanted``.
            resolver: Where keys are asked for.
        """
        sets = self.sets
        if self._broken:
            return Chain(status=ChainStatus.FAIL, reason=self._broken)
        if not sets:
            return Chain(status=ChainStatus.NONE, reason="there are no ARC sets")
        for one in sets:
            if one.validation == "fail":
                return Chain(
                    status=ChainStatus.FAIL,
                    reason=f"set {one.instance} says that the chain was broken (cv=fail)",
                    sets=sets,
                )
        try:
            await self._check(body, resolver)
        except Unverifiable as refusal:
            return Chain(
                status=ChainStatus.FAIL,
                reason=str(refusal),
                sets=sets,
                is_temporary=refusal.result is Result.TEMPORARY_ERROR,
            )
        return Chain(
            status=ChainStatus.PASS,
            reason=f"{_sets(len(sets))}, the newest sealed by {sets[-1].seal.domain}",
            sets=sets,
        )

    async def _check(self, body: BodyHashes, resolver: Resolver) -> None:
        newest = self.sets[-1]
        # The body first: it costs nothing, and what fails here needs no DNS.
        if body.digest(newest.signature.wanted) != newest.signature.body_hash:
            raise Unverifiable(Result.FAIL, f"set {newest.instance}: the body was changed")
        length = newest.signature.length
        if length is not None and body.size(newest.signature.wanted) != length:
            raise Unverifiable(
                Result.POLICY, f"set {newest.instance}: not the whole body is signed (l=)"
            )
        wanted: list[tuple[int, str, Seal, bytes]] = [
            (newest.instance, "message signature", newest.signature, self._signature_digest(newest))
        ]
        lines = [one.lines for one in self.sets]
        for one, digest in zip(self.sets, seal_digests(lines), strict=True):
            wanted.append((one.instance, "seal", one.seal, digest))
        keys = await _ask([seal for _, _, seal, _ in wanted], resolver)
        for number, name, seal, digest in wanted:
            _check_one(f"set {number}: its {name}", seal, digest, keys[_place(seal)])

    def _signature_digest(self, newest: ArcSet) -> bytes:
        way = newest.signature.header_canonicalization
        fields = HeaderFields(self._header)
        hashed = hashlib.sha256(fields.canonical(newest.signature.names, way))
        line = without_signature(newest.signature_line)
        hashed.update(canonical_field(line, way).removesuffix(b"\r\n"))
        return hashed.digest()


_Place = tuple[str, str, str]
_Keys = tuple[KeyRecord, ...] | Unverifiable


def _place(seal: Seal) -> _Place:
    return seal.domain, seal.selector, seal.algorithm.value


async def _ask(seals: Sequence[Seal], resolver: Resolver) -> dict[_Place, _Keys]:
    """Fetch all keys in parallel, each one once."""
    places = {_place(seal): seal for seal in seals}

    async def one(seal: Seal) -> _Keys:
        try:
            return await find_keys(resolver, seal.domain, seal.selector, seal.algorithm)
        except Unverifiable as refusal:
            return refusal

    found = await asyncio.gather(*map(one, places.values()))
    return dict(zip(places, found, strict=True))


def _check_one(what: str, seal: Seal, digest: bytes, keys: _Keys) -> None:
    if isinstance(keys, Unverifiable):
        raise Unverifiable(keys.result, f"{what}: {keys}")
    if not any(verify_digest(key.public_key, seal.signature, digest) for key in keys):
        raise Unverifiable(Result.FAIL, f"{what} does not fit")


def _sets(count: int) -> str:
    return f"{count} set{'' if count == 1 else 's'}"


def prepare(header: Header) -> PreparedChain:
    """Read the ARC sets from a scanned header."""
    return PreparedChain(header)


async def validate(message: bytes, resolver: Resolver) -> Chain:
    """Validate the chain of a message.

    Args:
        message: All of it, with CRLF line ends.
        resolver: Where keys are asked for.

    Raises:
        HeaderRefused: The header is larger than any mail server accepts.
    """
    header = scan_header(message)
    prepared = prepare(header)
    body = BodyHashes(prepared.wanted)
    body.feed(message[header.size :])
    return await prepared.conclude(body, resolver)
