"""Finds the line of a TOML file on which a key stands, so that a message can name it.

``tomllib`` reports lines only for syntax errors. This reads table headers and keys at the start of
lines, which is how people write configurations; a key written otherwise (inside an inline table)
is reported at the line of its table.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["key_lines", "line_of"]

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER: Final = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]\]?")
_KEY: Final = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_PARTS: Final = re.compile(_PART)

Address = tuple[str, ...]


def key_lines(text: str) -> dict[Address, int]:
    """Return the line, counted from 1, of every table header and key."""
    lines: dict[Address, int] = {}
    table: Address = ()
    quotes = ""  # of the text over several lines that we are in
    for number, line in enumerate(text.split("\n"), 1):
        if not quotes:
            if header := _HEADER.match(line):
                table = _address(header[1])
                lines.setdefault(table, number)
            elif key := _KEY.match(line):
                lines.setdefault(table + _address(key[1]), number)
        quotes = _open_quotes(line, quotes)
    return lines


def line_of(address: Address, lines: dict[Address, int]) -> int | None:
    """Return the line of a key, or of the nearest table around it, or None."""
    for length in range(len(address), 0, -1):
        if (number := lines.get(address[:length])) is not None:
            return number
    return None


def _address(dotted: str) -> Address:
    return tuple(part.strip("\"'") for part in _PARTS.findall(dotted))


def _open_quotes(line: str, quotes: str) -> str:
    for kind in (quotes,) if quotes else ('"""', "'''"):
        if line.count(kind) % 2:
            return "" if quotes else kind
    return quotes
