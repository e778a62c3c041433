"""Encodes content for DATA: CRLF line ends only, dots stuffed, one end.

``DotStuffer`` takes the content in pieces of any size and never emits a CR or LF that is not part
of a CRLF: a lone LF becomes CRLF, and so does a lone CR (RFC 5321 §2.3.8, §4.5.2). Its output
contains CRLF.CRLF at its very end and nowhere else.
"""

from __future__ import annotations

import re
from typing import Final

from pillarbox.smtp.line_ends import has_only_crlf

__all__ = ["DotStuffer", "dot_stuff"]

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class DotStuffer:
    """Stuffs one message; create a new one for the next.

    Args:
        has_only_line_ends: The caller has verified that every CR and LF is part of a CRLF; not
            checking again saves two thirds of the time.
    """

    __slots__ = ("_has_only_line_ends", "_is_line_start", "_saw_cr")

    def __init__(self, *, has_only_line_ends: bool = False) -> None:
        self._has_only_line_ends = has_only_line_ends
        self._is_line_start = True
        self._saw_cr = False  # a CR came last; it is kept back until its LF is seen, or not

    def feed(self, data: bytes) -> bytes:
        """Return what to send for the next piece of the content."""
        if self._saw_cr:
            data = b"\r" + data
        self._saw_cr = data.endswith(b"\r")
        if self._saw_cr:
            data = data[:-1]
        if not data:
            return b""
        if not (self._has_only_line_ends or has_only_crlf(data)):
            data = _LINE_END.sub(b"\r\n", data)
        stuffed = data.replace(b"\n.", b"\n..")
        if self._is_line_start and stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self._is_line_start = stuffed.endswith(b"\n")
        return stuffed

    def finish(self) -> bytes:
        """Return the rest: the end of the last line if it had none, and the final dot."""
        if self._is_line_start and not self._saw_cr:
            return b".\r\n"
        return b"\r\n.\r\n"


def dot_stuff(content: bytes, *, has_only_line_ends: bool = False) -> bytes:
    """Return a whole content as it is sent, final dot included."""
    stuffer = DotStuffer(has_only_line_ends=has_only_line_ends)
    return stuffer.feed(content) + stuffer.finish()
