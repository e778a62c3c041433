"""Why a DKIM signature fails: what was changed, and between which servers.

Three witnesses: the message itself, in which changes are undone (``undo``); the message as it was
sent, if it is given; and the servers on the way, whose Authentication-Results say where the
signature was still valid. Their claims may be forged, and are reported as claims.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.checkup.signatures.undo import canonical_body, undo_body, undo_header
from pillarbox.mailauth.authres.parse import parse_results
from pillarbox.mailauth.dkim.algorithm import verify_digest
from pillarbox.mailauth.dkim.body import BodyHashes
from pillarbox.mailauth.dkim.canonicalization import canonical_field
from pillarbox.mailauth.dkim.fields import HeaderFields
from pillarbox.mailauth.dkim.outcome import Unverifiable
from pillarbox.mailauth.dkim.record import find_keys
from pillarbox.mailauth.dkim.signature import Signature, read_dkim_signature
from pillarbox.mailauth.dkim.verification import MAX_SIGNATURES, header_digest
from pillarbox.mailauth.resolver import Resolver
from pillarbox.message.header import Header, scan_header
from pillarbox.preflight.route import Hop

__all__ = ["Damage", "explain_damage"]

_FIELD: Final = b"dkim-signature"
_RESULTS: Final = frozenset({b"authentication-results", b"arc-authentication-results"})
_MAX_DIFFERENCES: Final = 8
_MAX_LINES: Final = 1_500  # of each body that are compared
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What became of one signature."""

    domain: str
    selector: str
    body_changed: bool
    header_changed: bool
    how: tuple[str, ...]  # each a sentence, of what was done
    differences: tuple[str, ...]  # from the original, where it was given
    where: str  # a sentence: between which servers; "" where nobody says
    may_be_another_key: bool = False  # that signed: no change of the header is found

    @property
    def sentence(self) -> str:
        """All of it in a few words."""
        return " ".join((*self.how, self.where)).strip()


async def explain_damage(
    content: bytes, hops: Sequence[Hop], resolver: Resolver, *, original: bytes | None = None
) -> tuple[Damage, ...]:
    """Say what was done to a message whose signatures do not fit; () where all fit.

    Args:
        content: The message as it was received, with CRLF line ends.
        hops: The way it came.
        resolver: Where keys are asked for.
        original: The message as it was sent.

    Raises:
        HeaderRefused: The header of one is larger than any server takes.
    """
    header = scan_header(content)
    found: list[Damage] = []
    for place, (name, line) in enumerate(zip(header.names, header.lines, strict=True)):
        if name != _FIELD or len(found) >= MAX_SIGNATURES:
            continue
        try:
            signature = read_dkim_signature(line.partition(b":")[2])
        except Unverifiable:
            continue  # it was never right
        one = _One(content, header, signature, line, place)
        damage = await one.explain(hops, resolver, original)
        if damage is not None:
            found.append(damage)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _One:
    """One signature of a message."""

    content: bytes
    header: Header
    signature: Signature
    line: bytes
    place: int  # among the fields

    async def explain(
        self, hops: Sequence[Hop], resolver: Resolver, original: bytes | None
    ) -> Damage | None:
        signature = self.signature
        body_changed = _body_hash(self.content, self.header, signature) != signature.body_hash
        try:
            keys = await find_keys(
                resolver, signature.domain, signature.selector, signature.algorithm
            )
        except Unverifiable:
            keys = ()

        def fits(digest: bytes) -> bool:
            return any(verify_digest(key.public_key, signature.signature, digest) for key in keys)

        digest = header_digest(HeaderFields(self.header), signature, self.line)
        header_changed = bool(keys) and not fits(digest)
        if not (body_changed or header_changed):
            return None
        how, may_be_another_key = [], False
        if body_changed:
            done = undo_body(self.content, self.header.size, signature)
            how.append(f"The body was changed: {done}." if done else "The body was changed.")
        if header_changed:
            done = undo_header(self.header, signature, self.line, fits)
            how.append(f"The header was changed: {done}." if done else self._header_unknown())
            may_be_another_key = not done
        return Damage(
            domain=signature.domain,
            selector=signature.selector,
            body_changed=body_changed,
            header_changed=header_changed,
            how=(*how, *self._conversions()),
            differences=() if original is None else tuple(self._differences(original)),
            where=self._where(hops),
            may_be_another_key=may_be_another_key,
        )

    def _header_unknown(self) -> str:
        names = ", ".join(dict.fromkeys(name.decode().title() for name in self.signature.names))
        return f"One of the signed fields was changed, or another key signed: {names}."

    def _conversions(self) -> Iterator[str]:
        """Yield what servers say that they did to the encoding."""
        for value in self.header.get_all(b"x-mime-autoconverted"):
            yield f"A server changed the encoding ({value.decode('ascii', 'replace')[:_SHOWN]})."

    def _differences(self, original: bytes) -> Iterator[str]:
        earlier = scan_header(original)
        now, before = HeaderFields(self.header), HeaderFields(earlier)
        way = self.signature.header_canonicalization
        for name in dict.fromkeys(self.signature.names):
            new = [canonical_field(line, way) for line in now.lines(name)]
            old = [canonical_field(line, way) for line in before.lines(name)]
            if new != old:
                yield f"{name.decode().title()}: {_values(old)} -> {_values(new)}"
        yield from self._body_differences(original[earlier.size :])

    def _body_differences(self, original: bytes) -> Iterator[str]:
        way = self.signature.body_canonicalization
        old, new = (
            canonical_body(body, way).decode("utf-8", "replace").splitlines()[:_MAX_LINES]
            for body in (original, self.content[self.header.size :])
        )
        lines = difflib.unified_diff(old, new, "sent", "received", n=0, lineterm="")
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        for line in changed[:_MAX_DIFFERENCES]:
            yield f"body {line[:_SHOWN]}"
        if len(changed) > _MAX_DIFFERENCES:
            yield f"body: {len(changed) - _MAX_DIFFERENCES} more lines of differences"

    def _where(self, hops: Sequence[Hop]) -> str:
        """Say between which servers it was broken.

        Fields are put on top: what stands above a Received field was added at that hop or later.
        """
        names = self.header.names
        signed_at = names[self.place :].count(b"received")
        right_at, witness = self._last_right(signed_at)
        if right_at == 0 and signed_at == 0:
            return ""
        last_good = max(right_at, signed_at)
        after = [hop.server or "an unnamed server" for hop in hops[last_good - 1 :]]
        if not after:
            return ""
        at = after[0]
        if right_at >= signed_at and witness:
            seen = f"{witness} still saw it pass" + (f" at {at}" if at != witness else "")
        else:
            seen = f"It was signed at {at}"
        if len(after) == 1:
            return f"{seen}: it was broken there, or behind it."
        return f"{seen}: it was broken there or by {', '.join(after[1:])}."

    def _last_right(self, signed_at: int) -> tuple[int, str]:
        """Return the last hop at which somebody says that the signature passed, and who says so."""
        names = self.header.names
        best, witness = 0, ""
        for place, (name, line) in enumerate(zip(names, self.header.lines, strict=True)):
            if name not in _RESULTS or place > self.place:
                continue
            value = line.partition(b":")[2]
            if name.startswith(b"arc-"):  # RFC 8617 §4.1.1: behind the instance
                value = value.partition(b";")[2]
            hop = names[place:].count(b"received")
            said = self._says_pass(value)
            if said and hop > best and hop >= signed_at:
                best, witness = hop, said
        return best, witness

    def _says_pass(self, value: bytes) -> str:
        read = parse_results(value)
        if read is None:
            return ""
        is_right = any(
            one.result == "pass"
            and self.signature.domain
            in {one.get("header.d").lower(), _domain_of(one.get("header.i"))}
            for one in read.all_of("dkim")
        )
        return read.authserv_id if is_right else ""


def _domain_of(identity: str) -> str:
    return identity.rpartition("@")[2].lower()


def _body_hash(content: bytes, header: Header, signature: Signature) -> bytes:
    hashes = BodyHashes([signature.wanted])
    hashes.feed(content[header.size :])
    return hashes.digest(signature.wanted)


def _values(lines: list[bytes]) -> str:
    if not lines:
        return "(not there)"
    texts = (line.partition(b":")[2].decode("utf-8", "replace").strip() for line in lines)
    return " | ".join(f"“{text[:_SHOWN]}”" for text in texts)
