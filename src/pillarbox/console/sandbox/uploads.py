"""Parses uploaded files: the parts of ``multipart/form-data`` (RFC 7578)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pillarbox.errors import PermanentError

__all__ = ["Part", "parts_of"]

_MOST_PARTS: Final = 1_000
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'[;\s]name="([^"]*)"')
_FILENAME: Final = re.compile(rb'[;\s]filename="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form."""

    name: str
    filename: str  # "" where it is no file
    content: bytes


def parts_of(body: bytes, content_type: str) -> Iterator[Part]:
    """Yield the fields of a form in their order; none where it is no such form.

    Args:
        body: Of the request.
        content_type: Its field, with the boundary.

    Raises:
        PermanentError: It has too many of them.
    """
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/form-data"):
        return
    boundary = b"\r\n--" + (found[1] or found[2]).encode()
    # The first boundary stands at the beginning, without a line before it (RFC 2046 §5.1.1).
    pieces = (b"\r\n" + body).split(boundary, _MOST_PARTS + 1)[1:]
    if len(pieces) > _MOST_PARTS:
        raise PermanentError(f"A form may have {_MOST_PARTS:,} files at most; use an mbox.")
    for piece in pieces:
        head, gap, content = piece.partition(b"\r\n\r\n")
        if piece.startswith(b"--") or not gap:
            continue
        name, filename = _NAME.search(head), _FILENAME.search(head)
        if name is not None:
            shown = filename[1].decode("utf-8", "replace") if filename else ""
            yield Part(name[1].decode("utf-8", "replace"), shown, content)
