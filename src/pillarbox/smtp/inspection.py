"""Inspects a content as it arrives: dots removed, line ends checked, limits enforced.

Each octet is visited a fixed number of times, by searches that CPython runs in C. A fault in a
content is recorded, not raised: the content is read to its end anyway, and costs no memory from
there on. Which fault is reported does not depend on how the content was split.

RFC 5321 §2.3.8, §4.5.2, §4.5.3.1.6; RFC 5322 §2.1.1.
"""

from __future__ import annotations

from typing import Final

from pillarbox.smtp.events import ContentFacts
from pillarbox.smtp.line_ends import has_lone_lf, has_only_crlf
from pillarbox.smtp.replies import (
    BARE_LINE_END,
    CONTENT_HAS_NUL,
    CONTENT_TOO_LARGE,
    TEXT_LINE_TOO_LONG,
)
from pillarbox.smtp.reply import Reply

__all__ = ["ContentInspector"]

MAX_TEXT_LINE: Final = 998  # RFC 5322 §2.1.1, without the CRLF
# Smaller pieces are gathered, so that a client that sends an octet at a time makes no
# crowd of small objects.
_SMALL_PIECE: Final = 4_096


class ContentInspector:
    """Inspects the octets of one content piece by piece, and returns those that belong to it."""

    __slots__ = (
        "_has_8bit",
        "_has_bare_line_end",
        "_has_dots",
        "_has_long_lines",
        "_has_nul",
        "_has_overlong_lines",
        "_line",
        "_max_line",
        "_max_size",
        "_normalizes",
        "_pieces",
        "_pieces_size",
        "_skips_line_end",
        "received",
        "size",
    )

    def __init__(self, *, max_size: int, max_line: int, normalizes: bool = False) -> None:
        self._max_size = max_size
        self._max_line = max_line
        self._normalizes = normalizes
        self._has_dots = False
        self._skips_line_end = False
        self._pieces: list[bytes] = []
        self._pieces_size = 0
        self._line = 0  # octets of the current line
        self._has_8bit = False
        self._has_nul = False
        self._has_bare_line_end = False
        self._has_long_lines = False
        self._has_overlong_lines = False
        self.size = 0  # octets of the content, dots removed
        self.received = 0  # octets that came over the wire

    def expect_dots(self) -> None:
        """Prepare for DATA: the CRLF that comes first ended the command, and dots are stuffed."""
        self._has_dots = True
        self._skips_line_end = True

    def inspect(
        self, octets: bytes, *, is_stuffed: bool = False, has_no_lone_cr: bool = False
    ) -> None:
        """Inspect the next piece.

        Args:
            octets: They must not end between a CR and its LF, nor between a line end and a dot.
            is_stuffed: Whether they contain a CRLF before a dot.
            has_no_lone_cr: Whether it is already known that they contain no lone CR.
        """
        self.received += len(octets)
        if has_lone_lf(octets) if has_no_lone_cr else not has_only_crlf(octets):
            octets = self._with_whole_line_ends(octets)
        elif is_stuffed:
            octets = octets.replace(b"\r\n.", b"\r\n")
        if self._skips_line_end and octets:
            octets = octets[2:]
            self._skips_line_end = False
        if not octets:
            return
        self.size += len(octets)
        if not octets.isascii():
            self._has_8bit = True
        if b"\0" in octets:
            self._has_nul = True
        self._measure_lines(octets)
        self._keep(octets)

    def take(self, *, is_last: bool = False) -> bytes:
        """Return the next piece of the content, or nothing while it is small."""
        if not self._pieces or (self._pieces_size < _SMALL_PIECE and not is_last):
            return b""
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._forget_pieces()
        return piece

    @property
    def fault(self) -> Reply | None:
        """Why the content is refused, if it is."""
        if self._has_bare_line_end:
            return BARE_LINE_END
        if self._has_nul:
            return CONTENT_HAS_NUL
        if self.size > self._max_size:
            return CONTENT_TOO_LARGE
        return TEXT_LINE_TOO_LONG if self._has_overlong_lines else None

    @property
    def facts(self) -> ContentFacts:
        """What was observed."""
        return ContentFacts(self.size, self._has_8bit, self._has_nul, self._has_long_lines)

    def _with_whole_line_ends(self, octets: bytes) -> bytes:
        """Turn every lone LF into CRLF, or record that this is not allowed."""
        lines = octets.replace(b"\r\n", b"\n")
        if not self._normalizes or b"\r" in lines:
            self._has_bare_line_end = True
            return octets
        # A dot behind a lone LF is stuffed as well: here that LF is a line end.
        if self._has_dots:
            lines = lines.replace(b"\n.", b"\n")
        return lines.replace(b"\n", b"\r\n")

    def _keep(self, octets: bytes) -> None:
        if self.fault is not None:
            self._forget_pieces()
            return
        self._pieces.append(octets)
        self._pieces_size += len(octets)

    def _forget_pieces(self) -> None:
        self._pieces = []
        self._pieces_size = 0

    def _measure_lines(self, octets: bytes) -> None:
        """Look for long lines: jump from line end to line end, as far as a line may reach."""
        if not self._has_long_lines:
            self._has_long_lines = _has_line_over(MAX_TEXT_LINE, octets, self._line)
        if self._has_long_lines and not self._has_overlong_lines:
            self._has_overlong_lines = _has_line_over(self._max_line, octets, self._line)
        last = octets.rfind(b"\n")
        self._line = len(octets) - last - 1 if last >= 0 else self._line + len(octets)


def _has_line_over(limit: int, octets: bytes, before: int) -> bool:
    """Whether a line has more than ``limit`` octets without its CRLF.

    ``before`` counts octets of the first line that came earlier. A last line without a
    line end may be judged with the next piece.
    """
    reach = limit + 2
    length = len(octets)
    if before + length <= reach:
        return False
    start = octets.rfind(b"\n", 0, max(reach - before, 0)) + 1
    while start and length - start > reach:
        start = octets.rfind(b"\n", start, start + reach) + 1
    return not start
