"""Verifies the DKIM signatures of a message, in two halves (RFC 6376 §6).

``prepare`` reads the header and says which body hashes are needed; the body arrives in chunks;
``conclude`` fetches the keys and judges. At most ten signatures are considered, the topmost ones;
their keys are fetched in parallel. Every signature gets a result with its reason; the content of a
message or of DNS never raises an exception.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.mailauth.dkim.algorithm import verify_digest
from pillarbox.mailauth.dkim.body import BodyHash, BodyHashes
from pillarbox.mailauth.dkim.canonicalization import canonical_field
from pillarbox.mailauth.dkim.fields import HeaderFields, without_signature
from pillarbox.mailauth.dkim.outcome import Result, Unverifiable
from pillarbox.mailauth.dkim.record import KeyRecord, find_keys
from pillarbox.mailauth.dkim.report import SignatureResult, describe
from pillarbox.mailauth.dkim.signature import Signature, check_times, read_dkim_signature
from pillarbox.mailauth.resolver import Resolver
from pillarbox.message.header import Header, scan_header

__all__ = ["MAX_SIGNATURES", "PreparedVerification", "header_digest", "prepare", "verify"]

MAX_SIGNATURES: Final = 10
_FIELD: Final = b"dkim-signature"
# What does not match, by whether the body and the header do (None: there was no key).
_MISFITS: Final[dict[tuple[bool, bool | None], str]] = {
    (True, False): "a signed header field was changed, or it was signed with another key",
    (False, True): "the body was changed",
    (False, False): "the body was changed, and a signed header field too",
    (False, None): "the body was changed",
}
_HEADER_WORDS: Final[dict[bool | None, str]] = {
    True: "it is what was signed",
    False: "the signature b= does not fit the fields of h= and the key",
    None: "not checked, for want of a key",
}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One signature field: the parsed signature, or why it could not be parsed."""

    line: bytes
    signature: Signature | None
    refusal: Unverifiable | None = None


class PreparedVerification:
    """The signatures of one message, before its body is known."""

    __slots__ = ("_candidates", "_fields", "ignored")

    def __init__(self, header: Header) -> None:
        """Read the signatures of a header."""
        self._fields = HeaderFields(header)
        lines = self._fields.lines(_FIELD)
        self._candidates = tuple(map(_candidate, lines[:MAX_SIGNATURES]))
        self.ignored = max(len(lines) - MAX_SIGNATURES, 0)  # signatures below the first ten

    @property
    def wanted(self) -> frozenset[BodyHash]:
        """The hashes of the body that are needed, for ``BodyHashes``."""
        return frozenset(
            candidate.signature.wanted
            for candidate in self._candidates
            if candidate.signature is not None
        )

    async def conclude(
        self,
        body: BodyHashes,
        resolver: Resolver,
        *,
        now: float,
        is_public_suffix: Callable[[str], bool] | None = None,
    ) -> tuple[SignatureResult, ...]:
        """Judge the signatures, from the topmost field down.

        Args:
            body: What was fed with the whole body; it has at least the hashes ``wanted``.
            resolver: Where keys are asked for.
            now: Seconds since 1970.
            is_public_suffix: Whether nobody can sign for a domain, such as ``co.uk``; names
                of one label are refused without it.
        """
        is_suffix = is_public_suffix or _has_one_label
        judging = [
            self._judge(candidate, body, resolver, now, is_suffix) for candidate in self._candidates
        ]
        if len(judging) == 1:  # the usual case needs no task
            return (await judging[0],)
        return tuple(await asyncio.gather(*judging))

    async def _judge(
        self,
        candidate: _Candidate,
        body: BodyHashes,
        resolver: Resolver,
        now: float,
        is_suffix: Callable[[str], bool],
    ) -> SignatureResult:
        signature = candidate.signature
        if signature is None:
            return describe(candidate.line, None, candidate.refusal, None)
        key: KeyRecord | None = None
        try:
            check_times(signature, now)
            _check_domain(signature, is_suffix)
            keys = await _find_keys(resolver, signature, body)
            fitting = self._fitting(candidate.line, signature, keys)
            key = fitting or keys[0]
            _check_fit(signature, body, is_header_right=fitting is not None)
            _check_identity(signature, key)
            _check_length(signature, body)
        except Unverifiable as refusal:
            return describe(candidate.line, signature, refusal, key)
        return describe(candidate.line, signature, None, key)

    def _fitting(
        self, line: bytes, signature: Signature, keys: tuple[KeyRecord, ...]
    ) -> KeyRecord | None:
        """Return the key that verifies the signature of the header, if any does."""
        digest = header_digest(self._fields, signature, line)
        for key in keys:
            if verify_digest(key.public_key, signature.signature, digest):
                return key
        return None


def header_digest(fields: HeaderFields, signature: Signature, line: bytes) -> bytes:
    """Return the SHA-256 hash that a signature over a header is made of (RFC 6376 §3.7).

    Args:
        fields: The header.
        signature: The parsed signature.
        line: That field, as it stands in the message.
    """
    way = signature.header_canonicalization
    hashed = hashlib.sha256(fields.canonical(signature.names, way))
    hashed.update(canonical_field(without_signature(line), way).removesuffix(b"\r\n"))
    return hashed.digest()


def prepare(header: Header) -> PreparedVerification:
    """Read the signatures of a message whose header was scanned."""
    return PreparedVerification(header)


async def verify(
    message: bytes,
    resolver: Resolver,
    *,
    now: float,
    is_public_suffix: Callable[[str], bool] | None = None,
) -> tuple[SignatureResult, ...]:
    """Verify the signatures of a message, from the topmost down; () where there is none.

    Args:
        message: All of it, with CRLF line ends.
        resolver: Where keys are asked for.
        now: Seconds since 1970.
        is_public_suffix: Whether nobody can sign for a domain, such as ``co.uk``.

    Raises:
        HeaderRefused: The header is larger than any mail server takes.
    """
    header = scan_header(message)
    prepared = prepare(header)
    body = BodyHashes(prepared.wanted)
    body.feed(message[header.size :])
    return await prepared.conclude(body, resolver, now=now, is_public_suffix=is_public_suffix)


def _candidate(line: bytes) -> _Candidate:
    try:
        return _Candidate(line, read_dkim_signature(line.partition(b":")[2]))
    except Unverifiable as refusal:
        return _Candidate(line, None, refusal)


def _has_one_label(domain: str) -> bool:
    return "." not in domain


def _check_domain(signature: Signature, is_suffix: Callable[[str], bool]) -> None:
    if is_suffix(signature.domain):
        raise Unverifiable(Result.FAIL, f"nobody can sign for all of {signature.domain} (d=)")


async def _find_keys(
    resolver: Resolver, signature: Signature, body: BodyHashes
) -> tuple[KeyRecord, ...]:
    try:
        return await find_keys(resolver, signature.domain, signature.selector, signature.algorithm)
    except Unverifiable:
        # A changed body fails with any key, so the key's fate does not matter.
        _check_fit(signature, body, is_header_right=None)
        raise


def _check_fit(signature: Signature, body: BodyHashes, *, is_header_right: bool | None) -> None:
    """Raise if the body or header does not match the signature, and say which (None: unknown)."""
    computed = body.digest(signature.wanted)
    is_body_right = computed == signature.body_hash
    if is_body_right and is_header_right is not False:
        return
    evidence: tuple[str, ...] = ("body: it is what was signed",)
    if not is_body_right:
        signed, found = base64.b64encode(signature.body_hash), base64.b64encode(computed)
        evidence = (f"body: signed {signed.decode()}, found {found.decode()} (bh=)",)
    raise Unverifiable(
        Result.FAIL,
        _MISFITS[is_body_right, is_header_right],
        (*evidence, f"header: {_HEADER_WORDS[is_header_right]}"),
    )


def _check_identity(signature: Signature, key: KeyRecord) -> None:
    if key.is_strict and signature.identity:
        domain = signature.identity.rpartition("@")[2]
        if domain.lower() != signature.domain:
            raise Unverifiable(
                Result.PERMANENT_ERROR,
                "the identity i= is in a subdomain, which the key forbids (t=s)",
            )


def _check_length(signature: Signature, body: BodyHashes) -> None:
    if signature.length is None:
        return
    size = body.size(signature.wanted)
    if size > signature.length:
        raise Unverifiable(
            Result.POLICY,
            f"{size - signature.length} octets at the end of the body are not signed (l=)",
        )
    if size < signature.length:
        raise Unverifiable(Result.FAIL, "the body is shorter than its signed part (l=)")
