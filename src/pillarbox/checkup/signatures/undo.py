"""What was done to a message after it was signed, found by undoing it until the signature verifies.

A signature tells whether body and header are what was signed, but not what they were. Forwarders
and lists, however, always do the same few things: they append a footer, put a warning on top, add
a part, tag the subject, add or double a field. Each is undone in turn; where the hash then
matches, that is certainly what happened. The cost is bounded: a few dozen hashes of the body.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.mailauth.dkim.canonicalization import BodyCanonicalizer, Canonicalization
from pillarbox.mailauth.dkim.fields import HeaderFields
from pillarbox.mailauth.dkim.signature import Signature
from pillarbox.mailauth.dkim.verification import header_digest
from pillarbox.message.header import Header, scan_header
from pillarbox.message.tree import read_tree

__all__ = ["Fits", "canonical_body", "undo_body", "undo_header"]

Fits = Callable[[bytes], bool]
"""Whether a signature is over a digest of the header."""

_MAX_BODY: Final = 4 * 1024 * 1024  # octets that are tried upon
_MAX_LINES: Final = 50_000
_MAX_TAGS: Final = 6  # ways to undo a tag of the subject that are tried
_MAX_ADDED: Final = 60  # fields that are taken for added, each in turn
_MAX_BANNER: Final = 60  # lines at the top
_SHOWN: Final = 70
_TAG: Final = re.compile(
    rb"(?i)(\s*(?:(?:re|fwd?|aw|wg):\s*)*)((?:\[[^\]\r\n]{1,80}\]|\*{2,}[^*\r\n]{1,40}\*{2,}"
    rb"|(?:external|extern|spam|suspected spam|caution)\s*[:|-])\s*)"
)
_ENCODED_TAG: Final = re.compile(rb"(?i)\s*(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)\s+")
_RULES: Final = re.compile(r"([_=*-])\1{3,}")  # lines that are drawn with characters
_DELIMITER: Final = b"\r\n--"


def canonical_body(body: bytes, way: Canonicalization) -> bytes:
    """Return a body as it is hashed."""
    written: list[bytes] = []
    canonicalizer = BodyCanonicalizer(way, written.append)
    canonicalizer.feed(body)
    canonicalizer.end()
    return b"".join(written)


def undo_body(content: bytes, header_size: int, signature: Signature) -> str:
    """Return what was done to a body, as the end of a sentence; "" if it is not found out.

    Args:
        content: The message.
        header_size: Where its body begins.
        signature: The signature that it does not fit any more.
    """
    body = content[header_size : header_size + _MAX_BODY]
    if signature.length is not None:
        return ""
    canonical = canonical_body(body, signature.body_canonicalization)
    return (
        _appended(canonical, signature)
        or _prepended(canonical, signature)
        or _another_part(content, signature)
    )


def _appended(canonical: bytes, signature: Signature) -> str:
    """Look for a beginning of the body that fits: what is behind it was appended."""
    hashed = hashlib.sha256(usedforsecurity=False)
    position = written = lines = 0
    while lines < _MAX_LINES and (end := canonical.find(b"\r\n", position)) >= 0:
        lines += 1
        if end > position:  # an empty line counts only if something follows
            hashed.update(canonical[written : end + 2])
            written = end + 2
            if written < len(canonical) and hashed.copy().digest() == signature.body_hash:
                rest = canonical[written:]
                return f"{_lines(rest)} appended to it: {_shown(rest)}"
        position = end + 2
    return ""


def _prepended(canonical: bytes, signature: Signature) -> str:
    """Look for an end of the body that fits: what is before it was put on top."""
    position = 0
    for _ in range(_MAX_BANNER):
        end = canonical.find(b"\r\n", position)
        if end < 0 or end + 2 >= len(canonical):
            return ""
        position = end + 2
        rest = memoryview(canonical)[position:]
        if hashlib.sha256(rest, usedforsecurity=False).digest() == signature.body_hash:
            return (
                f"{_lines(canonical[:position])} put on top of it: {_shown(canonical[:position])}"
            )
    return ""


def _another_part(content: bytes, signature: Signature) -> str:
    """Look whether a part was added to a multipart, or one put around the whole body."""
    root = read_tree(content)
    for added in root.children if len(root.children) > 1 else ():
        start = content.rfind(_DELIMITER, root.body_start - 2, added.start)
        if start < 0:
            continue
        body = content[root.body_start : start] + content[added.end : root.end]
        if _fits(body, signature):
            return f"a part ({added.media_type}) was added to it: {_shown(added.content)}"
    first = root.children[0] if root.children else None
    if first is not None and (
        _fits(first.body, signature) or _fits(first.body + b"\r\n", signature)
    ):
        what = root.children[-1].content if len(root.children) > 1 else b""
        return f"it was put into a {root.media_type} beside another part: {_shown(what)}"
    return ""


def _fits(body: bytes, signature: Signature) -> bool:
    canonical = canonical_body(body[:_MAX_BODY], signature.body_canonicalization)
    return hashlib.sha256(canonical, usedforsecurity=False).digest() == signature.body_hash


def _lines(octets: bytes) -> str:
    count = octets.count(b"\r\n")
    return f"{count} line{'s were' if count != 1 else ' was'}"


def _shown(octets: bytes) -> str:
    words = _RULES.sub(r"\1\1\1", " ".join(octets[:2_000].decode("utf-8", "replace").split()))
    return f"“{words[:_SHOWN]}{'…' if len(words) > _SHOWN else ''}”"


def undo_header(header: Header, signature: Signature, line: bytes, fits: Fits) -> str:
    """Return what was done to the header, as the end of a sentence; "" if it is not found out.

    Args:
        header: The header as it is.
        signature: The signature that does not fit it.
        line: Its field, as it stands there.
        fits: Whether the signature fits a digest.
    """
    names, lines = header.names, list(header.lines)
    signed = frozenset(signature.names)
    tags = [
        (f"the subject was tagged {_shown(tag)}", place, earlier)
        for place, name in enumerate(names)
        if name == b"subject" and name in signed
        for tag, earlier in _without_tags(lines[place])
    ]
    added = [
        (
            f"a field was added: {_field(name)}: {_shown(lines[place].partition(b':')[2])}",
            place,
            b"",
        )
        for place, name in enumerate(names)
        if name in signed
    ]
    tags, added = tags[:_MAX_TAGS], added[:_MAX_ADDED]
    pairs = [(one, other) for one in tags for other in added if one[1] != other[1]]
    for changes in (*((one,) for one in (*tags, *added)), *pairs):
        earlier_lines = lines.copy()
        for _, place, earlier in changes:
            earlier_lines[place] = earlier
        fields = HeaderFields(scan_header(b"".join(earlier_lines) + b"\r\n"))
        if fits(header_digest(fields, signature, line)):
            return ", and ".join(what for what, _, _ in changes)
    return ""


def _field(name: bytes) -> str:
    return name.decode("ascii").title()


def _without_tags(line: bytes) -> Iterator[tuple[bytes, bytes]]:
    name, _, value = line.partition(b":")
    if (found := _TAG.match(value)) is not None:
        rest = value[found.end() :]
        for start in {found[1], b" ", b""}:
            yield found[2], b"%b:%b%b" % (name, start, rest)
    if (found := _ENCODED_TAG.match(value)) is not None:
        yield found[1], b"%b: %b" % (name, value[found.end() :])
