"""Finds the end of a content: the readers behind DATA and BDAT.

Content ends at CRLF.CRLF and at nothing else (RFC 5321 §4.1.1.4), so that no other server on the
way can see two messages where we see one. A CR or LF that is not part of a CRLF does not end the
content: it is read to its true end, and then the message is refused. With ``normalizes`` a lone LF
becomes CRLF instead; a lone CR is still refused.

Strategy: whole buffers are searched, never lines or octets. What could be the beginning of the end
(at most four octets) is held back until more arrives, so any split of the input yields the same
content.

RFC 5321 §2.3.8, §4.1.1.4, §4.5.2; RFC 3030 §2.
"""

from __future__ import annotations

import re
from typing import Final

from pillarbox.smtp.inspection import ContentInspector
from pillarbox.smtp.lines import LineReader

__all__ = ["ChunkReader", "DataReader"]

_END: Final = b"\r\n.\r\n"
# One look for both: a dot at the start of a line, and a CR that stands alone. (It takes half
# the time in which ``find`` looks for three octets.)
_dot_or_lone_cr: Final = re.compile(rb"\r(?!\n(?!\.))").search
_dot_at_line_start: Final = re.compile(rb"\r\n\.").search
# Proper beginnings of the end, longest first.
_BEGINNINGS: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class DataReader:
    """Reads one content sent with DATA."""

    __slots__ = ("_inspector", "_kept", "_normalizes")

    def __init__(self, inspector: ContentInspector, *, normalizes: bool = False) -> None:
        self._inspector = inspector
        self._normalizes = normalizes
        # The line end of the DATA command is part of the end of an empty content
        # (RFC 5321 §4.1.1.4); the inspector leaves it out.
        self._kept = b"\r\n"
        inspector.expect_dots()

    def read(self, lines: LineReader) -> bool:
        """Consume the input; return whether the content has ended."""
        octets = self._kept + lines.octets[lines.position :]
        first = dot = _dot_or_lone_cr(octets)
        if first is not None and not octets.startswith(b"\n", first.end()):
            dot = _dot_at_line_start(octets, first.end())
        end = -1 if dot is None else octets.find(_END, dot.start())
        if dot is not None and end >= 0:
            lines.position = len(lines.octets) - (len(octets) - end - len(_END))
            self._kept = b""
            octets = octets[: end + 2]
            is_stuffed = end != dot.start()
        else:
            lines.clear()
            self._kept = self._beginning_of_end(octets)
            octets = octets[: len(octets) - len(self._kept)]
            is_stuffed = dot is not None
        # What was skipped on the way to the first dot has no lone CR.
        has_no_lone_cr = first is dot and not is_stuffed
        self._inspector.inspect(octets, is_stuffed=is_stuffed, has_no_lone_cr=has_no_lone_cr)
        return end >= 0

    def _beginning_of_end(self, octets: bytes) -> bytes:
        for beginning in _BEGINNINGS:
            if octets.endswith(beginning):
                return beginning
        # A dot behind a lone LF is stuffed, too, where a lone LF is a line end.
        return b"\n" if self._normalizes and octets.endswith(b"\n") else b""


class ChunkReader:
    """Reads one content sent in the chunks of BDAT; ``start`` begins each."""

    __slots__ = ("_inspector", "_kept", "_left")

    def __init__(self, inspector: ContentInspector) -> None:
        self._inspector = inspector
        self._kept = b""  # a CR whose LF may be in the next chunk
        self._left = 0

    def start(self, size: int) -> None:
        """Expect a chunk of ``size`` octets."""
        self._left = size

    @property
    def is_complete(self) -> bool:
        """Whether all octets of the chunk have arrived."""
        return not self._left

    def read(self, lines: LineReader) -> bool:
        """Consume the chunk's input; return whether the chunk has ended."""
        octets = lines.octets[lines.position : lines.position + self._left]
        lines.position += len(octets)
        self._left -= len(octets)
        if self._kept:
            octets = self._kept + octets
        self._kept = b"\r" if octets.endswith(b"\r") else b""
        if self._kept:
            octets = octets[:-1]
        if octets:
            self._inspector.inspect(octets)
        return not self._left

    def finish(self) -> None:
        """Note that there are no more chunks."""
        if self._kept:
            self._inspector.inspect(self._kept)
            self._kept = b""
