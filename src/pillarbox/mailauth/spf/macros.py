"""The macro language of SPF (RFC 7208 §7): parsed once, expanded for each check.

A macro string is validated when it is parsed, so expansion cannot fail; for a local part that is
not ASCII (RFC 8616 §4), it returns None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

__all__ = [
    "MacroError",
    "MacroString",
    "parse_domain_spec",
    "parse_explanation",
    "parse_macro_string",
]

_LETTERS: Final = "slodiphv"
_EXPLANATION_LETTERS: Final = "slodiphvcrt"  # RFC 7208 §7.2: c, r and t only in explanations
# macro-expand (RFC 7208 §7.1); anything else after a "%" is an error.
_PIECE: Final = re.compile(
    r"%\{(?P<letter>[A-Za-z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[.\-+,/_=]*)\}"
    r"|%(?P<escape>[%_-])"
    r"|(?P<literal>[^%]+)"
)
_ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
_VISIBLE: Final = re.compile(r"[\x21-\x7e]*")
_TEXT: Final = re.compile(r"[\x20-\x7e]*")
# toplabel (RFC 7208 §7.1), except the rule that it is not all digits.
_TOP_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_MAX_DIGITS: Final = 6  # in the number of parts; no name has a million


class MacroError(ValueError):
    """A macro string breaks the grammar; the message says where."""


@dataclass(frozen=True, slots=True)
class _Macro:
    """``%{letter...}``: which value, and how it is transformed."""

    letter: str  # in lower case
    keep: int  # how many parts from the right; 0 is all
    is_reversed: bool
    delimiters: str
    is_escaped: bool  # an upper-case letter: for a URL

    def apply(self, value: str) -> str:
        if self.keep or self.is_reversed or self.delimiters != ".":
            parts = re.split(f"[{re.escape(self.delimiters)}]", value)
            if self.is_reversed:
                parts.reverse()
            value = ".".join(parts[-self.keep :])
        return quote(value, safe="") if self.is_escaped else value


@dataclass(frozen=True, slots=True)
class MacroString:
    """Text with macros."""

    text: str  # as written
    pieces: tuple[str | _Macro, ...]
    letters: frozenset[str]  # the macros in it, in lower case
    constant: str  # the text of a string without macros

    @property
    def is_constant(self) -> bool:
        """Whether it has no macro."""
        return not self.letters

    def expand(self, values: Mapping[str, str]) -> str | None:
        """Return the text with its macros replaced.

        Args:
            values: The value of each letter, in lower case.

        Returns:
            The text; None if a value that is not ASCII would be inserted (RFC 8616 §4).
        """
        if not self.letters:
            return self.constant
        text = "".join(
            piece if isinstance(piece, str) else piece.apply(values[piece.letter])
            for piece in self.pieces
        )
        return text if text.isascii() else None


def parse_domain_spec(text: str) -> MacroString:
    """Read a domain-spec (RFC 7208 §7.1).

    Raises:
        MacroError: It breaks the grammar.
    """
    if not text:
        raise MacroError("the domain is missing")
    pieces = _read(text)
    last = pieces[-1]
    # %%, %_ and %- are macros, too, although they expand to fixed text.
    is_literal = isinstance(last, str) and not text.endswith(("%%", "%_", "%-"))
    if is_literal and not _ends_in_top_label(str(last)):
        raise MacroError(f'"{text}" does not end in a top-level domain')
    return _macro_string(text, pieces)


def parse_macro_string(text: str) -> MacroString:
    """Read the value of a modifier that RFC 7208 does not know (§6).

    Raises:
        MacroError: It breaks the grammar.
    """
    return _macro_string(text, _read(text))


def parse_explanation(text: str) -> MacroString:
    """Read the text of an explanation (RFC 7208 §6.2).

    Raises:
        MacroError: It breaks the grammar.
    """
    if _TEXT.fullmatch(text) is None:
        raise MacroError("it holds a character that is not printable ASCII")
    return _macro_string(text, tuple(_pieces(text, _EXPLANATION_LETTERS)))


def _ends_in_top_label(text: str) -> bool:
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot) and not label.isdigit() and _TOP_LABEL.fullmatch(label) is not None


def _read(text: str) -> tuple[str | _Macro, ...]:
    if _VISIBLE.fullmatch(text) is None:
        raise MacroError("it holds a character that is not visible ASCII")
    return tuple(_pieces(text, _LETTERS))


def _pieces(text: str, letters: str) -> Iterator[str | _Macro]:
    position = 0
    while position < len(text):
        found = _PIECE.match(text, position)
        if found is None:
            raise MacroError(f'"{text[position : position + 10]}" is no macro')
        position = found.end()
        if (literal := found["literal"]) is not None:
            yield literal
        elif (escape := found["escape"]) is not None:
            yield _ESCAPES[escape]
        else:
            yield _macro(found, letters)


def _macro(found: re.Match[str], letters: str) -> _Macro:
    letter, digits = found["letter"], found["digits"]
    if letter.lower() not in letters:
        raise MacroError(f'the macro "{letter}" is not known here')
    if digits and not digits.strip("0"):
        raise MacroError(f"{found[0]} keeps no part")
    return _Macro(
        letter=letter.lower(),
        keep=int(digits[-_MAX_DIGITS:]) or 10**_MAX_DIGITS if digits else 0,
        is_reversed=bool(found["reverse"]),
        delimiters=found["delimiters"] or ".",
        is_escaped=letter.isupper(),
    )


def _macro_string(text: str, pieces: tuple[str | _Macro, ...]) -> MacroString:
    return MacroString(
        text,
        pieces,
        letters=frozenset(piece.letter for piece in pieces if isinstance(piece, _Macro)),
        constant="".join(piece for piece in pieces if isinstance(piece, str)),
    )
