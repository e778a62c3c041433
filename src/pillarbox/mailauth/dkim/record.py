"""Key records at ``SELECTOR._domainkey.DOMAIN``: parsed and looked up (RFC 6376 §3.6).

An unusable record raises ``Unverifiable`` with the reason; DNS that does not answer is
distinguished from a key that does not exist.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pillarbox.mailauth.dkim.algorithm import Algorithm, PublicKey, key_bits, load_public_key
from pillarbox.mailauth.dkim.outcome import Result, Unverifiable
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.mailauth.tag_list import TagListError, parse_tag_list

__all__ = [
    "KeyRecord",
    "check_published",
    "find_keys",
    "key_name",
    "parse_key_record",
    "usable_keys",
]

_VERSION: Final = "DKIM1"
_ANY: Final = "*"
_EMAIL: Final = "email"
_HASH: Final = "sha256"
_MAX_RECORDS: Final = 3  # examined per name; there should be one
_KEY_TYPES: Final = frozenset(algorithm.key_type for algorithm in Algorithm)
_CACHED: Final = 1024  # parsed keys; parsing one takes some 50 microseconds
_MAX_CACHED_OCTETS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A usable key, with its owner's restrictions."""

    key_type: str
    public_key: PublicKey
    hashes: frozenset[str] | None = None  # the tag h=; None: any
    services: frozenset[str] = frozenset({_ANY})  # the tag s=
    flags: frozenset[str] = frozenset()  # the tag t=
    note: str = ""  # the tag n=, for people

    @property
    def bits(self) -> int:
        """The size of the key."""
        return key_bits(self.public_key)

    @property
    def is_testing(self) -> bool:
        """Whether the domain is only testing DKIM (t=y): a failure must not count."""
        return "y" in self.flags

    @property
    def is_strict(self) -> bool:
        """Whether i= must be in the domain d= itself, not in a subdomain (t=s)."""
        return "s" in self.flags

    def check_use(self, algorithm: Algorithm) -> None:
        """Raise ``Unverifiable`` if the key is not valid for mail signed like this."""
        if self.key_type != algorithm.key_type:
            raise Unverifiable(
                Result.PERMANENT_ERROR,
                f"the key is of type {self.key_type}, and the signature is {algorithm.value}",
            )
        if self.hashes is not None and _HASH not in self.hashes:
            raise Unverifiable(
                Result.PERMANENT_ERROR, f"the key is not for {_HASH} (its tag h= says so)"
            )
        if self.services.isdisjoint({_ANY, _EMAIL}):
            raise Unverifiable(
                Result.PERMANENT_ERROR, "the key is not for mail (its tag s= says so)"
            )


def key_name(domain: str, selector: str) -> str:
    """Return the name below which a key is published (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def parse_key_record(octets: bytes) -> KeyRecord:
    """Read one TXT record.

    Raises:
        Unverifiable: There is no key in it that could be used.
    """
    if len(octets) > _MAX_CACHED_OCTETS:
        return _parse(octets)
    return _parse_cached(octets)


def _parse(octets: bytes) -> KeyRecord:
    try:
        tags = parse_tag_list(octets)
    except TagListError as error:
        raise Unverifiable(
            Result.PERMANENT_ERROR, f"the key record is malformed: {error}"
        ) from None
    # RFC 6376 §3.6.1: v= may be left out, but must be the first tag, and this.
    if "v" in tags and (tags["v"] != _VERSION or next(iter(tags)) != "v"):
        raise Unverifiable(
            Result.PERMANENT_ERROR, f"the key record does not begin with v={_VERSION}"
        )
    if "p" not in tags:
        raise Unverifiable(Result.PERMANENT_ERROR, "the key record has no p=")
    if not tags["p"]:
        raise Unverifiable(Result.PERMANENT_ERROR, "the key is revoked (p= is empty)")
    key_type = tags.get("k", Algorithm.RSA_SHA256.key_type)
    if key_type not in _KEY_TYPES:
        raise Unverifiable(Result.PERMANENT_ERROR, f"unknown type of key: {key_type!a}")
    return KeyRecord(
        key_type=key_type,
        public_key=load_public_key(key_type, _decode(tags["p"])),
        hashes=_words(tags["h"]) if "h" in tags else None,
        services=_words(tags.get("s", _ANY)),
        flags=_words(tags.get("t", "")),
        note=tags.get("n", ""),
    )


_parse_cached = lru_cache(_CACHED)(_parse)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unverifiable(Result.PERMANENT_ERROR, "p= is not base64") from None


def _words(text: str) -> frozenset[str]:
    return frozenset(word for part in text.split(":") if (word := part.strip()))


def check_published(octets: bytes, algorithm: Algorithm) -> bytes:
    """Return the public key in a record, as in p= before base64.

    Args:
        octets: The TXT record.
        algorithm: The signature algorithm; a key of another type is refused.

    Raises:
        Unverifiable: Receivers cannot use the record.
    """
    parse_key_record(octets).check_use(algorithm)
    return _decode(parse_tag_list(octets)["p"])


def usable_keys(records: tuple[bytes, ...], algorithm: Algorithm) -> tuple[KeyRecord, ...]:
    """Return the keys among the TXT records of a name that may belong to a signature.

    There should be one record. RFC 6376 §3.6.2.2 leaves several undefined; here, all with a
    suitable key are taken, and only the first three are examined.

    Raises:
        Unverifiable: There is none; the reason is that of the first record.
    """
    keys = []
    reason: Unverifiable | None = None
    for octets in records[:_MAX_RECORDS]:
        try:
            key = parse_key_record(octets)
            key.check_use(algorithm)
        except Unverifiable as error:
            reason = reason or error
        else:
            keys.append(key)
    if keys:
        return tuple(keys)
    raise reason or Unverifiable(Result.PERMANENT_ERROR, "there is no key record")


async def find_keys(
    resolver: Resolver, domain: str, selector: str, algorithm: Algorithm
) -> tuple[KeyRecord, ...]:
    """Look up the keys that may belong to a signature.

    Raises:
        Unverifiable: There is none, or DNS does not answer.
    """
    name = key_name(domain, selector)
    answer = await resolver.txt(name)
    match answer.outcome:
        case Outcome.FOUND:
            return usable_keys(answer.records, algorithm)
        case Outcome.UNAVAILABLE:
            raise Unverifiable(
                Result.TEMPORARY_ERROR, f"DNS did not answer for {name}: {answer.reason}"
            )
        case Outcome.NO_SUCH_NAME | Outcome.NO_SUCH_DATA:
            raise Unverifiable(
                Result.PERMANENT_ERROR, f"there is no key at {name} ({answer.outcome.value})"
            )
