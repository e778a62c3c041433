"""Selects the header fields that a signature covers, as they are hashed (RFC 6376 §5.4.2).

Fields of one name are taken from the bottom of the header upward; if a name is listed more often
than there are fields, the extra entry covers nothing, so a field added later breaks the signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pillarbox.mailauth.dkim.canonicalization import Canonicalization, canonical_field
from pillarbox.message.header import Header

__all__ = ["HeaderFields", "without_signature"]

# The tag b= with the blanks around its value, in a field's value (RFC 6376 §3.7).
_B_TAG: Final = re.compile(rb"([:;][ \t\r\n]*+b[ \t\r\n]*+=)[^;]*+")


def without_signature(line: bytes) -> bytes:
    """Return a signature field as it is hashed for itself: b= empty, without its last CRLF.

    Args:
        line: The field as it stands in the message.
    """
    return _B_TAG.sub(rb"\1", line.removesuffix(b"\r\n"), count=1)


class HeaderFields:
    """The fields of one header, as signatures see them. Each is canonicalized once."""

    __slots__ = ("_canonical", "_lines", "_places")

    def __init__(self, header: Header) -> None:
        """Use a scanned header."""
        self._lines = header.lines
        self._canonical: dict[tuple[int, Canonicalization], bytes] = {}
        self._places: dict[bytes, list[int]] = {}
        for place, name in enumerate(header.names):
            self._places.setdefault(name, []).append(place)

    def count(self, name: bytes) -> int:
        """Return how many fields have this lower-case name."""
        return len(self._places.get(name, ()))

    def lines(self, name: bytes) -> tuple[bytes, ...]:
        """Return the fields of a name from top to bottom, as they stand in the message."""
        return tuple(self._lines[place] for place in self._places.get(name, ()))

    def canonical(self, names: Iterable[bytes], canonicalization: Canonicalization) -> bytes:
        """Return the octets that are hashed for a list of names.

        Args:
            names: The tag h=, in its order, in lower case.
            canonicalization: The canonicalization of the fields.
        """
        taken: dict[bytes, int] = {}
        chosen: list[bytes] = []
        for name in names:
            places = self._places.get(name)
            if places is None:
                continue
            left = taken.get(name, len(places))
            if left:
                taken[name] = left - 1
                chosen.append(self._written(places[left - 1], canonicalization))
        return b"".join(chosen)

    def _written(self, place: int, canonicalization: Canonicalization) -> bytes:
        key = (place, canonicalization)
        written = self._canonical.get(key)
        if written is None:
            written = canonical_field(self._lines[place], canonicalization)
            self._canonical[key] = written
        return written
