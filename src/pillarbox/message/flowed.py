"""Rejoins the lines of ``format=flowed`` text (RFC 3676)."""

from __future__ import annotations

from typing import Final

__all__ = ["join_flowed"]

_SIGNATURE: Final = "-- "


def join_flowed(text: str, *, deletes_space: bool = False) -> str:
    """Return a text with each paragraph in one line.

    Args:
        text: The text, with any line ends.
        deletes_space: ``delsp=yes``: the blank at the end of a line is not part of the text.
    """
    joined: list[str] = []
    pieces: list[str] = []  # of the current paragraph
    open_depth = 0
    for line in text.splitlines():
        depth, content = _unquoted(line)
        # RFC 3676 §4.3, §4.5: a signature separator or a change of quote depth ends a paragraph.
        if pieces and (depth != open_depth or content == _SIGNATURE):
            joined.append(_line(open_depth, pieces))
            pieces = []
        open_depth = depth
        if content.endswith(" ") and content != _SIGNATURE:
            pieces.append(content[:-1] if deletes_space else content)
            continue
        pieces.append(content)
        joined.append(_line(depth, pieces))
        pieces = []
    if pieces:
        joined.append(_line(open_depth, pieces))
    return "\n".join(joined) + "\n" if joined else ""


def _line(depth: int, pieces: list[str]) -> str:
    return ">" * depth + (" " if depth else "") + "".join(pieces)


def _unquoted(line: str) -> tuple[int, str]:
    """Return a line's quote depth and its text (RFC 3676 §4.4, §4.5)."""
    content = line.lstrip(">")
    depth = len(line) - len(content)
    return depth, content.removeprefix(" ")  # space-stuffing, §4.4
