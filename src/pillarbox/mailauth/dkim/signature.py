"""The tags of a signature, parsed and validated (RFC 6376 §3.5, §6.1.1).

``read_seal`` reads what DKIM and ARC signatures have in common, ``read_signature`` also reads which
parts of a message are covered, ``read_dkim_signature`` a DKIM-Signature field. A signature that
cannot be checked raises ``Unverifiable`` with its result and reason.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.mailauth.dkim.body import BodyHash
from pillarbox.mailauth.dkim.canonicalization import Canonicalization
from pillarbox.mailauth.dkim.outcome import Result, Unverifiable
from pillarbox.mailauth.tag_list import TagListError, parse_tag_list
from pillarbox.smtp.address import ascii_domain

__all__ = [
    "Seal",
    "Signature",
    "check_times",
    "decode_base64",
    "read_dkim_signature",
    "read_seal",
    "read_signature",
    "read_tags",
]

_SHA1: Final = "rsa-sha1"
_QUERY: Final = "dns/txt"
_MAX_DIGITS: Final = 76  # RFC 6376 §3.5, of l=
_SHA256_OCTETS: Final = 32
_CLOCK_DRIFT: Final = 300.0  # seconds by which a signer's clock may be ahead
_MAX_SHOWN: Final = 60
_NUMBER: Final = re.compile(rf"[0-9]{{1,{_MAX_DIGITS}}}")
# Field names separated by colons, with optional blanks; no character is read twice.
_NAMES: Final = re.compile(
    r"[ \t\r\n]*+[!-9;-~]++[ \t\r\n]*+(?>(?::[ \t\r\n]*+[!-9;-~]++[ \t\r\n]*+)*)"
)
_LABEL: Final = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Who signed, and the signature itself."""

    algorithm: Algorithm
    domain: str  # the tag d=, in A-labels and lower case
    selector: str  # the tag s=
    signature: bytes  # the tag b=, decoded
    signed_at: int | None  # the tag t=, seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Seal):
    """A signature over a message."""

    body_hash: bytes  # the tag bh=, decoded
    header_canonicalization: Canonicalization
    body_canonicalization: Canonicalization
    names: tuple[bytes, ...]  # the tag h=, in lower case
    length: int | None = None  # the tag l=
    expires_at: int | None = None  # the tag x=, seconds since 1970
    identity: str = ""  # the tag i= of DKIM, "" if omitted

    @property
    def wanted(self) -> BodyHash:
        """The body hash to compare with bh=."""
        return BodyHash(self.body_canonicalization, self.length)


def read_tags(value: bytes) -> dict[str, str]:
    """Return the tags of a signature field.

    Raises:
        Unverifiable: It is no tag list.
    """
    try:
        return parse_tag_list(value)
    except TagListError as error:
        raise Unverifiable(Result.NEUTRAL, f"the signature is malformed: {error}") from None


def decode_base64(tags: dict[str, str], name: str) -> bytes:
    """Return the octets of a required tag, which may be folded.

    Raises:
        Unverifiable: It is missing, or is not base64.
    """
    text = "".join(_required(tags, name).split())
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not octets:
        raise Unverifiable(Result.NEUTRAL, f"the tag {name}= is not base64")
    return octets


def read_seal(tags: dict[str, str]) -> Seal:
    """Read a, b, d, s and t.

    Raises:
        Unverifiable: One is missing, is malformed, or says what nobody may accept.
    """
    return Seal(
        algorithm=_algorithm(_required(tags, "a")),
        domain=_domain(tags, "d"),
        selector=_domain(tags, "s"),
        signature=decode_base64(tags, "b"),
        signed_at=_number(tags, "t"),
    )


def read_signature(tags: dict[str, str]) -> Signature:
    """Read all tags that DKIM-Signature and ARC-Message-Signature share.

    Raises:
        Unverifiable: One is missing, is malformed, or says what nobody may accept.
    """
    seal = read_seal(tags)
    header, body = _canonicalizations(tags.get("c", "simple/simple"))
    body_hash = decode_base64(tags, "bh")
    if len(body_hash) != _SHA256_OCTETS:
        raise Unverifiable(Result.NEUTRAL, "the tag bh= is no SHA-256 hash")
    return Signature(
        algorithm=seal.algorithm,
        domain=seal.domain,
        selector=seal.selector,
        signature=seal.signature,
        signed_at=seal.signed_at,
        body_hash=body_hash,
        header_canonicalization=header,
        body_canonicalization=body,
        names=_names(_required(tags, "h")),
        length=_number(tags, "l"),
        expires_at=_number(tags, "x"),
    )


def read_dkim_signature(value: bytes) -> Signature:
    """Read the value of a DKIM-Signature field.

    Raises:
        Unverifiable: It is malformed, or says what nobody may accept (RFC 6376 §6.1.1).
    """
    tags = read_tags(value)
    if _required(tags, "v") != "1":
        raise Unverifiable(Result.NEUTRAL, "the version is not 1 (its tag v=)")
    signature = read_signature(tags)
    if b"from" not in signature.names:
        raise Unverifiable(Result.PERMANENT_ERROR, "the field From is not signed (not in h=)")
    methods = [method.strip().lower() for method in tags.get("q", _QUERY).split(":")]
    if _QUERY not in methods:
        raise Unverifiable(Result.NEUTRAL, f"the key is not in DNS (no {_QUERY} in q=)")
    return _with_identity(signature, tags["i"]) if "i" in tags else signature


def check_times(signature: Signature, now: float) -> None:
    """Raise ``Unverifiable`` if a signature is not valid at a time (RFC 6376 §3.5).

    Args:
        signature: What was read.
        now: Seconds since 1970.
    """
    signed, expires = signature.signed_at, signature.expires_at
    if expires is not None and signed is not None and expires <= signed:
        raise Unverifiable(Result.PERMANENT_ERROR, "it expires before it was made (x=, t=)")
    if expires is not None and now > expires:
        raise Unverifiable(Result.FAIL, f"the signature has expired (x={expires})")
    if signed is not None and signed > now + _CLOCK_DRIFT:
        raise Unverifiable(Result.FAIL, f"the signature is from the future (t={signed})")


def _with_identity(signature: Signature, identity: str) -> Signature:
    _, at, domain = identity.rpartition("@")
    if not at:
        raise Unverifiable(Result.NEUTRAL, "the tag i= is no address")
    domain = ascii_domain(domain)
    if domain != signature.domain and not domain.endswith("." + signature.domain):
        raise Unverifiable(Result.PERMANENT_ERROR, "the identity i= is not in the domain d=")
    return replace(signature, identity=identity)


def _required(tags: dict[str, str], name: str) -> str:
    value = tags.get(name)
    if not value:
        # RFC 6376 §6.1.1: "signature missing required tag".
        raise Unverifiable(Result.PERMANENT_ERROR, f"the tag {name}= is missing")
    return value


def _algorithm(text: str) -> Algorithm:
    if text == _SHA1:
        raise Unverifiable(Result.FAIL, f"{_SHA1} proves nothing any more (RFC 8301 §3.1)")
    try:
        return Algorithm(text)
    except ValueError:
        raise Unverifiable(Result.NEUTRAL, f"unknown algorithm: {_shown(text)}") from None


def _domain(tags: dict[str, str], name: str) -> str:
    domain = ascii_domain(_required(tags, name))  # RFC 8616 §5: U-labels are allowed
    if not _DOMAIN.fullmatch(domain):
        raise Unverifiable(Result.NEUTRAL, f"the tag {name}= is no domain name: {_shown(domain)}")
    return domain


def _canonicalizations(text: str) -> tuple[Canonicalization, Canonicalization]:
    header, _, body = text.partition("/")
    try:
        return Canonicalization(header), Canonicalization(body or "simple")
    except ValueError:
        raise Unverifiable(Result.NEUTRAL, f"unknown canonicalization: {_shown(text)}") from None


def _names(text: str) -> tuple[bytes, ...]:
    if not _NAMES.fullmatch(text):
        raise Unverifiable(Result.NEUTRAL, "the tag h= is no list of field names")
    return tuple(b"".join(text.lower().encode("ascii").split()).split(b":"))


def _number(tags: dict[str, str], name: str) -> int | None:
    text = tags.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise Unverifiable(Result.NEUTRAL, f"the tag {name}= is no number")
    return int(text)


def _shown(text: str) -> str:
    return ascii(text[:_MAX_SHOWN])
