"""Splits the input into command lines.

Memory stays flat whatever is sent: input beyond the limit without a line end is counted and
dropped. Such a line is refused as a whole, never truncated and used.

RFC 5321 §2.3.8, §4.1.1, §4.5.3.1.4.
"""

from __future__ import annotations

from typing import Final

from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.replies import (
    BAD_COMMAND_LINE,
    BAD_LINE_END,
    COMMAND_LINE_TOO_LONG,
    COMMAND_LINE_TOO_LONG_CLOSING,
)
from pillarbox.smtp.reply import Reply

__all__ = ["LineReader"]

MAX_JUNK: Final = 65_536  # octets of one line after which nobody expects SMTP to follow


class LineReader:
    """The input that has arrived and has not been consumed.

    ``octets`` and ``position`` are open to the readers of content, which take what follows
    ``position`` and advance it.
    """

    __slots__ = ("_accepts_bare_lf", "_dropped", "_too_long", "octets", "position")

    def __init__(self, *, accepts_bare_lf: bool = False) -> None:
        self.octets = b""
        self.position = 0
        self._accepts_bare_lf = accepts_bare_lf
        self._dropped = 0  # octets of the line under way that are gone, as it is too long
        self._too_long = COMMAND_LINE_TOO_LONG  # the answer to that line

    def feed(self, octets: bytes) -> None:
        """Add input."""
        if self.position == len(self.octets):
            self.octets = octets
        else:
            self.octets = self.octets[self.position :] + octets
        self.position = 0

    def clear(self) -> None:
        """Discard the unconsumed input."""
        self.octets = b""
        self.position = 0
        self._dropped = 0

    @property
    def has_octets(self) -> bool:
        """Whether there is unconsumed input."""
        return self.position < len(self.octets)

    def starts_with(self, octet: int) -> bool:
        """Whether ``octet`` comes next."""
        return self.position < len(self.octets) and self.octets[self.position] == octet

    def begins(self, prefix: bytes) -> bool:
        """Whether ``prefix``, in any case, comes next."""
        return self.octets[self.position : self.position + len(prefix)].upper() == prefix

    def take_line(self, limit: int, too_long: Reply = COMMAND_LINE_TOO_LONG) -> bytes | None:
        """Return the next line without its line end, or None if it is not whole yet.

        Args:
            limit: Octets that a line may have, its line end included.
            too_long: The answer to a longer line.

        Raises:
            RefusedError: The line is too long, does not end in CRLF, or holds NUL or CR.
                The line is used up.
        """
        end = self.octets.find(b"\n", self.position)
        if end < 0:
            self._drop_excess(limit, too_long)
            return None
        start, self.position = self.position, end + 1
        length = self.position - start
        if self._dropped:
            length += self._dropped
            self._dropped = 0
            too_long = self._too_long
        if length > limit:
            raise RefusedError(COMMAND_LINE_TOO_LONG_CLOSING if length > MAX_JUNK else too_long)
        line = self.octets[start:end]
        if line.endswith(b"\r"):
            line = line[:-1]
        elif not self._accepts_bare_lf:
            raise RefusedError(BAD_LINE_END)
        if b"\r" in line or b"\0" in line:
            raise RefusedError(BAD_COMMAND_LINE)
        return line

    def _drop_excess(self, limit: int, too_long: Reply) -> None:
        waiting = len(self.octets) - self.position
        if self._dropped + waiting > limit:
            if not self._dropped:
                self._too_long = too_long
            self._dropped += waiting
            self.octets = b""
            self.position = 0
        if self._dropped > MAX_JUNK:
            self._dropped = 0
            raise RefusedError(COMMAND_LINE_TOO_LONG_CLOSING)
