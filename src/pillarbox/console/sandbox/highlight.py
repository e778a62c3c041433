"""Syntax highlighting for message sources: pieces of text with their kinds, for templates to
escape.

Time is linear in the text; beyond a bound the rest is one piece without color.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

__all__ = ["LONGEST", "Piece", "html_pieces", "message_pieces", "text_pieces"]

Piece = tuple[str, str]
"""What it is ("tag", "name", "value", "comment", "entity", "field", or "" for plain), the text."""

LONGEST: Final = 384 * 1024  # characters that are shown; the rest can be downloaded
_MOST_PIECES: Final = 12_000  # what a browser can render without a pause

_MARKUP: Final = re.compile(
    r"(?P<comment><!--(?:.*?-->|.*+)|<![^>]*+>)"
    r"|(?P<tag></?[A-Za-z][^\s/>]*+)(?P<rest>(?>(?:[^>\"']++|\"[^\"]*+\"|'[^']*+'|[\"'])*)>?)"
    r"|(?P<entity>&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    r"(?P<name>[^\s=\"'>/]++)|(?P<value>=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>]*+))|(?P<end>/?>)"
)
_LINK: Final = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_CLOSING: Final = ".,:;!?'*_)]}>"  # punctuation that probably belongs to the sentence, not the link
_FIELD: Final = re.compile(r"^[\x21-\x39\x3b-\x7e]++:", re.MULTILINE)


def html_pieces(source: str) -> list[Piece]:
    """Return HTML in pieces; put together they are the source, cut at ``LONGEST``."""
    return _merged(_html(source[:LONGEST]))


def message_pieces(text: str) -> list[Piece]:
    """Return a message in pieces: the names of its header fields, and the rest."""
    text = text[:LONGEST]
    end = text.find("\n\n")
    end = len(text) if end < 0 else end
    pieces: list[Piece] = []
    position = 0
    for found in _FIELD.finditer(text, 0, end):
        pieces += [("", text[position : found.start()]), ("field", found[0])]
        position = found.end()
    return _merged(iter([*pieces, ("", text[position:])]))


def text_pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield plain text in pieces, each with its link target, "" if it is not a link."""
    position = 0
    for found in islice(_LINK.finditer(text), _MOST_PIECES):
        url = found[0].rstrip(_CLOSING)
        yield text[position : found.start()], ""
        yield url, url
        position = found.start() + len(url)
    yield text[position:], ""


def _html(source: str) -> Iterator[Piece]:
    position = 0
    for found in islice(_MARKUP.finditer(source), _MOST_PIECES):
        yield "", source[position : found.start()]
        position = found.end()
        if found["tag"] is None:
            yield ("comment" if found["comment"] is not None else "entity"), found[0]
            continue
        yield "tag", found["tag"]
        yield from _attributes(found["rest"])
    yield "", source[position:]


def _attributes(rest: str) -> Iterator[Piece]:
    position = 0
    for found in _ATTRIBUTE.finditer(rest):
        yield "", rest[position : found.start()]
        position = found.end()
        kind = found.lastgroup
        yield ("tag" if kind == "end" else str(kind)), found[0]
    yield "", rest[position:]


def _merged(pieces: Iterator[Piece]) -> list[Piece]:
    """Join neighbors of one kind, leave out empty ones, and stop coloring after enough."""
    merged: list[Piece] = []
    gathered: list[str] = []
    current = ""
    for kind, text in pieces:
        shown = kind if len(merged) < _MOST_PIECES else ""
        if shown != current and text:
            if gathered:
                merged.append((current, "".join(gathered)))
            current, gathered = shown, []
        if text:
            gathered.append(text)
    return [*merged, (current, "".join(gathered))] if gathered else merged
