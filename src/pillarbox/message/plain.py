"""HTML as plain text, as a reader would see it: for snippets, the index, and mail without text.

Nothing is rendered: tags are dropped, blocks end a line, and invisible elements (scripts, styles,
comments, the head) are dropped with their content. Time is linear for any markup; nothing is
raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import html5
from typing import Final

__all__ = ["html_to_text", "squeeze", "unescape", "visible_text"]

# The replacement of a tag: nothing within a line, a line end around a block.
_INLINE: Final = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small "
    "span strike strong sub sup time tt u var wbr o:p"
)
_BLOCKS: Final = (
    "address article blockquote body br br/ br/> center dd div dl dt footer h1 h2 h3 h4 h5 h6 header "
    "hr html img li main ol p pre section table tbody td th thead tr ul"
)
_SEPARATORS: Final = {f"{slash}{name}": "" for name in _INLINE.split() for slash in ("", "/")} | {
    f"{slash}{name}": "\n" for name in _BLOCKS.split() for slash in ("", "/")
}
# Elements with invisible content; an unclosed one hides the rest, but a head ends where the body
# begins.
_UNSEEN: Final = {
    "script": ("/script",), "style": ("/style",), "title": ("/title",), "svg": ("/svg",),
    "template": ("/template",), "head": ("/head", "body"),
}  # fmt: skip
_LONGEST_NAME: Final = 16
_NAME: Final = re.compile(r"[/!?]?[A-Za-z][A-Za-z0-9:-]{0,40}|[/!?][^>]*>")
_SPACES: Final = re.compile(
    r"[ \t\xa0\u200b-\u200f\u034f\xad\u2007\ufeff]{2,}|[\t\xa0\u200b-\u200f\u034f\xad\u2007\ufeff]"
)
_LINES: Final = re.compile(r" ?\n[ \n]*")
_ENTITY: Final = re.compile(
    r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));?"
)
_MAX_SCALAR: Final = 0x10FFFF


def html_to_text(html: str) -> str:
    """Return the text of a page, one line for each block.

    Args:
        html: The markup.
    """
    text = visible_text(html.replace("\r\n", " ").replace("\n", " "))
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def visible_text(html: str) -> str:
    """Return the words of a page, with the blanks and line ends between them.

    Args:
        html: The markup.
    """
    pieces = iter(html.split("<"))
    kept = [next(pieces)]
    keep, separator_of = kept.append, _SEPARATORS.get  # called for each tag of each page
    for piece in pieces:
        tag, _, text = piece.partition(">")
        separator = separator_of(tag)
        if separator is None:
            separator = separator_of(tag.partition(" ")[0]) if piece else "<"
        keep(_behind_tag(piece, pieces) if separator is None else separator + text)
    return unescape("".join(kept))


def unescape(text: str) -> str:
    """Return a text with its character references replaced (at most seven digits long)."""
    if "&" not in text:
        return text
    # Most pages have only these two, and then no function is called for each of them.
    text = text.replace("&nbsp;", "\xa0")
    if text.count("&") == text.count("&amp;"):
        return text.replace("&amp;", "&")
    return _ENTITY.sub(_character, text)


def squeeze(text: str, length: int) -> str:
    """Return the beginning of a text in one line, without runs of blanks.

    Args:
        text: Any text.
        length: Characters at most.
    """
    return " ".join(text.split(None, length)[:length])[:length]


def _behind_tag(piece: str, pieces: Iterator[str]) -> str:
    """Return the replacement of an unusual tag, and the text after it.

    Args:
        piece: The text between a "<" and the next one.
        pieces: The following pieces; invisible content is consumed from them.
    """
    if piece.startswith("!--"):
        return _behind_comment(piece, pieces)
    found = _NAME.match(piece)
    if found is None:
        return f"<{piece}"  # as in "a < b"
    name = found[0].lower()
    if name in _UNSEEN:
        return "\n" + _behind(_UNSEEN[name], pieces)
    return _SEPARATORS.get(name, "\n") + piece.partition(">")[2]


def _behind(ends: tuple[str, ...], pieces: Iterator[str]) -> str:
    """Skip to the end tag of an element, and return the text after it."""
    for piece in pieces:
        name = piece[:_LONGEST_NAME].lower()
        if name.startswith(ends):
            return piece.partition(">")[2]
    return ""


def _behind_comment(piece: str, pieces: Iterator[str]) -> str:
    """Skip a comment that begins with a piece, and return the text after it."""
    while "-->" not in piece:
        following = next(pieces, None)
        if following is None:
            return ""
        piece = following
    return piece.partition("-->")[2]


def _character(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name is not None:
        return html5.get(f"{name};", found[0])
    number = int(decimal) if decimal else int(hexadecimal, 16)
    if number > _MAX_SCALAR or 0xD800 <= number <= 0xDFFF or not number:  # noqa: PLR2004 - surrogates
        return "\ufffd"
    return chr(number)
