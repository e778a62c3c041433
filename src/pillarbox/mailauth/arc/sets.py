"""The ARC sets of a message: which fields belong together, and whether any is missing.

Reading takes time proportional to the header, and a header with more than 50 sets is not read at
all (RFC 8617 §4.2.1). A fault raises ``BrokenChain`` with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.mailauth.arc.scope import SetLines
from pillarbox.mailauth.dkim.fields import HeaderFields
from pillarbox.mailauth.dkim.outcome import Unverifiable
from pillarbox.mailauth.dkim.signature import (
    Seal,
    Signature,
    read_seal,
    read_signature,
    read_tags,
)

__all__ = ["FIELD_NAMES", "MAX_SETS", "ArcSet", "BrokenChain", "collect_sets"]

MAX_SETS: Final = 50  # RFC 8617 §4.2.1

_RESULTS: Final = b"arc-authentication-results"
_SIGNATURE: Final = b"arc-message-signature"
_SEAL: Final = b"arc-seal"
_KINDS: Final = (_RESULTS, _SIGNATURE, _SEAL)  # in the order in which they are sealed (§5.1.1)
FIELD_NAMES: Final = frozenset(_KINDS)
_SHOWN: Final = {
    _RESULTS: "ARC-Authentication-Results",
    _SIGNATURE: "ARC-Message-Signature",
    _SEAL: "ARC-Seal",
}
_INSTANCE: Final = re.compile(r"[1-9][0-9]?")
# RFC 8617 §4.1.1: the instance stands first, and a semicolon ends it.
_AAR_INSTANCE: Final = re.compile(rb"[ \t\r\n]*+i[ \t\r\n]*+=[ \t\r\n]*+([0-9]{1,4})[ \t\r\n]*+;")
_RELAXED: Final = "relaxed/relaxed"
_ANY_NAME: Final = "from"  # stands in for an empty list of names, then removed again
_VALIDATIONS: Final = frozenset({"none", "pass", "fail"})


class BrokenChain(PermanentError):  # noqa: N818 - reads as what it says
    """The ARC fields of a message do not form a chain; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSet:
    """The three fields that one handler added (RFC 8617 §4.2)."""

    instance: int
    results_line: bytes  # each line as it stands in the message
    signature_line: bytes
    seal_line: bytes
    signature: Signature
    seal: Seal
    validation: str  # the tag cv= of the seal: "none", "pass" or "fail"

    @property
    def lines(self) -> SetLines:
        """The three fields, as they stand in the message."""
        return SetLines(self.results_line, self.signature_line, self.seal_line)

    @property
    def results(self) -> bytes:
        """The results that the handler recorded, after the instance."""
        return self.results_line.partition(b":")[2].partition(b";")[2]


def collect_sets(fields: HeaderFields) -> tuple[ArcSet, ...]:
    """Return the sets of a header from the oldest to the newest; () if there are none.

    Raises:
        BrokenChain: They do not form a chain that can be validated (RFC 8617 §5.2, steps 1 to 3).
    """
    found = {kind: fields.lines(kind) for kind in _KINDS}
    most = max(map(len, found.values()))
    if most == 0:
        return ()
    if most > MAX_SETS:
        raise BrokenChain(f"there are {most} sets; {MAX_SETS} are allowed")
    by_instance = {kind: _by_instance(kind, lines) for kind, lines in found.items()}
    newest = max(max(lines, default=0) for lines in by_instance.values())
    return tuple(_read_set(number, by_instance, newest) for number in range(1, newest + 1))


def _by_instance(kind: bytes, lines: tuple[bytes, ...]) -> dict[int, bytes]:
    numbered: dict[int, bytes] = {}
    for line in lines:
        number = _instance(kind, line.partition(b":")[2])
        if number in numbered:
            raise BrokenChain(f"there are two {_SHOWN[kind]} with i={number}")
        numbered[number] = line
    return numbered


def _instance(kind: bytes, value: bytes) -> int:
    if kind == _RESULTS:
        found = _AAR_INSTANCE.match(value)
        text = found[1].decode() if found else ""
    else:
        text = _tags(kind, value).get("i", "")
    if not _INSTANCE.fullmatch(text) or int(text) > MAX_SETS:
        raise BrokenChain(f"{_SHOWN[kind]} has no i= from 1 to {MAX_SETS}")
    return int(text)


def _tags(kind: bytes, value: bytes) -> dict[str, str]:
    try:
        return read_tags(value)
    except Unverifiable as error:
        raise BrokenChain(f"{_SHOWN[kind]}: {error}") from None


def _read_set(number: int, by_instance: dict[bytes, dict[int, bytes]], newest: int) -> ArcSet:
    lines = {}
    for kind in _KINDS:
        if number not in by_instance[kind]:
            raise BrokenChain(f"{_SHOWN[kind]} with i={number} is missing, of {newest} sets")
        lines[kind] = by_instance[kind][number]
    seal_tags = _tags(_SEAL, lines[_SEAL].partition(b":")[2])
    try:
        signature = _read_signature(_tags(_SIGNATURE, lines[_SIGNATURE].partition(b":")[2]))
        seal = read_seal(seal_tags)
    except Unverifiable as error:
        raise BrokenChain(f"set {number}: {error}") from None
    if _SEAL in signature.names:  # RFC 8617 §4.1.2
        raise BrokenChain(f"set {number}: its message signature covers ARC-Seal")
    if "h" in seal_tags:  # RFC 8617 §4.1.3
        raise BrokenChain(f"set {number}: its seal has a tag h=")
    return ArcSet(
        instance=number,
        results_line=lines[_RESULTS],
        signature_line=lines[_SIGNATURE],
        seal_line=lines[_SEAL],
        signature=signature,
        seal=seal,
        validation=_validation(number, seal_tags),
    )


def _read_signature(tags: dict[str, str]) -> Signature:
    """Read a message signature, which may have fewer tags than a DKIM signature.

    This is laxer than RFC 6376, because other sealers are: c= defaults to relaxed, and names in h=
    may be empty, even all of them. A missing h= is still an error (RFC 8617 §4.1.2).
    """
    listed = tags.get("h", "").lower().split(":")
    names = tuple(name.encode() for part in listed if (name := part.strip()))
    whole = {"c": _RELAXED, **tags}
    if "h" in tags and not all(part.strip() for part in listed):
        whole["h"] = ":".join(name.decode() for name in names) or _ANY_NAME
    return replace(read_signature(whole), names=names)


def _validation(number: int, tags: dict[str, str]) -> str:
    """Return cv=, which must be "none" in the first set and only there (RFC 8617 §5.2, step 3)."""
    value = tags.get("cv", "").lower()
    if value not in _VALIDATIONS:
        raise BrokenChain(f"set {number}: cv= is not none, pass or fail")
    if value != "fail" and (value == "none") != (number == 1):
        raise BrokenChain(f"set {number}: cv={value} cannot be in this place")
    return value
