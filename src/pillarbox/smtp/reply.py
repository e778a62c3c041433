"""Replies: a server's answers to commands (RFC 5321 §4.2, RFC 2034, RFC 3463)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Self

__all__ = ["EnhancedCode", "Reply"]


class EnhancedCode(NamedTuple):
    """An enhanced mail system status code, such as 5.1.1 (RFC 3463 §2)."""

    class_: int  # 2 success, 4 persistent transient failure, 5 permanent failure
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.class_}.{self.subject}.{self.detail}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the code that ``text`` spells exactly, or None (RFC 3463 §2)."""
        parts = text.split(".")
        if len(parts) != 3 or parts[0] not in {"2", "4", "5"}:  # noqa: PLR2004 - class.subject.detail
            return None
        if not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):  # noqa: PLR2004
            return None
        return cls(*map(int, parts))


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: a code, perhaps an enhanced code, and one or more lines of text.

    The text contains neither the codes nor line ends. ``closes`` says that the side that sends this
    reply closes the connection after it (221, 421, 554 at the greeting).
    """

    code: int
    lines: tuple[str, ...]
    enhanced: EnhancedCode | None = None
    closes: bool = False
    _octets: bytes = field(default=b"", init=False, repr=False, compare=False)

    @classmethod
    def of(cls, code: int, enhanced: str | None, *lines: str, closes: bool = False) -> Self:
        """Build a reply from literals: ``Reply.of(550, "5.1.1", "No such recipient")``."""
        parsed = EnhancedCode.parse(enhanced) if enhanced else None
        return cls(code, lines, parsed, closes)

    @property
    def is_positive(self) -> bool:
        """Whether the command succeeded (2xx) or may continue (3xx)."""
        return 200 <= self.code < 400  # noqa: PLR2004 - RFC 5321 §4.2.1

    @property
    def is_transient(self) -> bool:
        """Whether the same command may succeed later (4xx)."""
        return 400 <= self.code < 500  # noqa: PLR2004 - RFC 5321 §4.2.1

    @property
    def is_permanent(self) -> bool:
        """Whether the same command must not be repeated unchanged (5xx)."""
        return 500 <= self.code < 600  # noqa: PLR2004 - RFC 5321 §4.2.1

    @property
    def text(self) -> str:
        """The lines as one sentence, for logs and people."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        code = f"{self.code} {self.enhanced}" if self.enhanced else str(self.code)
        return f"{code} {self.text}".rstrip()

    def wire(self) -> bytes:
        """Return the octets to send: every line ends in CRLF (RFC 5321 §4.2.1).

        They are encoded once: the same few replies are sent all the time.
        """
        if not self._octets:
            object.__setattr__(self, "_octets", self._put_together().encode("utf-8"))
        return self._octets

    def _put_together(self) -> str:
        prefix = f"{self.enhanced} " if self.enhanced else ""
        *before, last = self.lines
        text = f"{self.code} {prefix}{last}\r\n"
        if before:
            return "".join(f"{self.code}-{prefix}{line}\r\n" for line in before) + text
        return text
