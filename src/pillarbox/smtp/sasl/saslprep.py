"""SASLprep: one spelling of a user name or password, however it was typed (RFC 4013).

SCRAM requires it (RFC 7677 §1), since both sides hash the same octets. The tables of Unicode 3.2
are those of the standard library's ``stringprep`` (RFC 3454).
"""

from __future__ import annotations

import stringprep
from collections.abc import Callable
from typing import Final
from unicodedata import ucd_3_2_0

from pillarbox.errors import PermanentError

__all__ = ["ProhibitedError", "saslprep"]

# RFC 4013 §2.3
_PROHIBITED: Final[tuple[Callable[[str], bool], ...]] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class ProhibitedError(PermanentError):
    """A text contains what a user name or password must not."""


def saslprep(text: str, *, is_stored: bool = False) -> str:
    """Return the prepared form of a text.

    Args:
        text: As it was typed.
        is_stored: It is going to be stored: code points that Unicode 3.2 did not assign are
            refused. In what a client sends they are allowed (RFC 3454 §7).

    Raises:
        ProhibitedError: It contains control characters and the like, or mixes directions.
    """
    if text.isascii() and text.isprintable():
        return text
    # RFC 4013 §2.1: other spaces become a space, and what is "commonly mapped to nothing" goes.
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if not stringprep.in_table_b1(char)
    )
    prepared = ucd_3_2_0.normalize("NFKC", mapped)  # RFC 4013 §2.2
    for char in prepared:
        if any(is_prohibited(char) for is_prohibited in _PROHIBITED):
            raise ProhibitedError("holds a character that is not allowed here")
        if is_stored and stringprep.in_table_a1(char):
            raise ProhibitedError("holds a character that is too new")
    _check_directions(prepared)
    return prepared


def _check_directions(text: str) -> None:
    """Refuse a text that mixes directions (RFC 3454 §6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    if any(map(stringprep.in_table_d2, text)):
        raise ProhibitedError("mixes characters read from the right and from the left")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ProhibitedError("is read from the right, but does not begin and end so")
