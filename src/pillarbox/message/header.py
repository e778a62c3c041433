"""The header scanner: which fields a message has, and where they are.

One pass over the octets, in linear time whatever they are, and nothing is decoded. Every input has
a header, perhaps an empty one: it ends at the empty line, or before the first line that is not a
field, as it does in real servers (RFC 5322 §2.2, §3.6.8, §4.5). An exceeded limit raises
``HeaderRefused``, which carries the reply; nothing else is raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from pillarbox.errors import PermanentError
from pillarbox.smtp.reply import Reply

__all__ = [
    "DEFAULT_HEADER_LIMITS",
    "Field",
    "Header",
    "HeaderEnd",
    "HeaderLimits",
    "HeaderRefused",
    "scan_header",
    "unfold",
]

# RFC 5322 §2.2: a name of printable characters without the colon; §4.5.8 allows blanks before
# the colon. The value ends at a CRLF that no blank follows (§2.2.3), or at the end of the
# octets; a bare CR or LF is a part of it. Possessive quantifiers: no octet is read twice.
# (An atomic group, because CPython before 3.11.5 matches a possessive group wrongly.)
_FIELD: Final = re.compile(
    rb"([!-9;-~]++)[ \t]*+:((?>[^\r]*+(?:\r(?!\n(?![ \t]))[^\r]*+)*))(?:\r\n|\Z)"
)
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")

_TOO_LARGE: Final = Reply.of(552, "5.3.4", "The header of the message is too large")
_TOO_MANY: Final = Reply.of(550, "5.6.0", "The message has too many header fields")
_TOO_LONG: Final = Reply.of(550, "5.6.0", "A header field of the message is too long")


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """The limits of a header; scanning a larger one costs no more than this."""

    max_size: int = 256 * 1024  # octets of the whole header
    max_fields: int = 1_000
    max_field_size: int = 100 * 1024  # octets of one field, folds included (as in Postfix)


DEFAULT_HEADER_LIMITS: Final = HeaderLimits()


class HeaderRefused(PermanentError):  # noqa: N818 - reads as what it says
    """A header exceeds a limit; ``reply`` is what the client gets."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class HeaderEnd(Enum):
    """What ended the header."""

    EMPTY_LINE = "empty line"
    NO_FIELD = "no field"  # a line that is neither a field nor empty: the body starts with it
    END_OF_OCTETS = "end of octets"  # of a message cut there, more of the header may follow


class Field(NamedTuple):
    """One header field of the scanned octets."""

    name: bytes  # in lower case
    value: bytes  # what follows the colon, folds included, without the last CRLF
    start: int  # offset of its first octet
    end: int  # offset behind its CRLF


class Header:
    """The fields of a header in their order. Names to look for are given in lower case."""

    __slots__ = ("_matches", "_names", "end", "first_field", "size")

    def __init__(
        self, matches: list[re.Match[bytes]], first_field: int, size: int, end: HeaderEnd
    ) -> None:
        """Keep what ``scan_header`` found.

        Args:
            matches: One match of the field pattern for each field.
            first_field: The offset of the first field; an mbox "From " line may stand before it.
            size: The offset of the body; what stands before it, with the empty line.
            end: What ended the header.
        """
        self._matches = matches
        self._names = [match[1].lower() for match in matches]
        self.first_field = first_field
        self.size = size
        self.end = end

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: bytes) -> bool:
        return name in self._names

    @property
    def names(self) -> tuple[bytes, ...]:
        """The names of all fields in lower case."""
        return tuple(self._names)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields, with their offsets."""
        return tuple(
            Field(name, match[2], *match.span())
            for name, match in zip(self._names, self._matches, strict=True)
        )

    @property
    def lines(self) -> tuple[bytes, ...]:
        """Each field unchanged, folds and CRLF included; parallel to ``names``."""
        return tuple(match[0] for match in self._matches)

    @property
    def is_cut(self) -> bool:
        """Whether the octets end within the last field, before its CRLF."""
        return bool(self._matches) and not self._matches[-1][0].endswith(b"\r\n")

    def get(self, name: bytes) -> bytes | None:
        """Return the unfolded value of the first field of this name, without outer blanks."""
        if name not in self._names:
            return None
        return unfold(self._matches[self._names.index(name)][2])

    def get_all(self, name: bytes) -> tuple[bytes, ...]:
        """Return the unfolded values of all fields of this name."""
        values = []
        number = -1
        for _ in range(self._names.count(name)):  # nearly always once
            number = self._names.index(name, number + 1)
            values.append(unfold(self._matches[number][2]))
        return tuple(values)

    def before(self, offset: int) -> Header:
        """Return the header as if the body began at an offset, at which a line starts."""
        matches = [match for match in self._matches if match.start() < offset]
        return Header(matches, self.first_field, offset, HeaderEnd.NO_FIELD)

    def count(self, name: bytes) -> int:
        """Return how many fields have this name, such as the hops in ``received``."""
        return self._names.count(name)


def unfold(value: bytes) -> bytes:
    """Return a field's value in one line, without outer blanks (RFC 5322 §2.2.3)."""
    if b"\r" in value:
        value = _FOLD.sub(b"", value)
    return value.strip(b" \t\r\n")


def scan_header(
    content: bytes, limits: HeaderLimits = DEFAULT_HEADER_LIMITS, *, start: int = 0
) -> Header:
    """Find the fields of the header that ``content`` starts with.

    Args:
        content: A message, or its first octets; if the header may be longer than them,
            ``end`` is ``END_OF_OCTETS``, and the scan is to be repeated with more.
        limits: What is refused.
        start: The offset where the header starts, such as that of a part. All offsets in the result
            still count from the beginning of ``content``.

    Raises:
        HeaderRefused: The header is larger than the limits allow.
    """
    position = first_field = _mbox_line(content, start)
    matches: list[re.Match[bytes]] = []
    # Scan one octet more than allowed, to detect a header that is too large.
    bound = start + limits.max_size + 1
    most, longest = limits.max_fields, limits.max_field_size
    match_field = _FIELD.match
    while (match := match_field(content, position, bound)) is not None:
        end = match.end()
        if end - position > longest:
            raise HeaderRefused(_TOO_LONG)
        position = end
        matches.append(match)
        if len(matches) > most:
            raise HeaderRefused(_TOO_MANY)
    if content.startswith(b"\r\n", position):
        position += 2
        end_by = HeaderEnd.EMPTY_LINE
    elif content.find(b"\r\n", position, bound) < 0:
        end_by = HeaderEnd.END_OF_OCTETS
    else:
        end_by = HeaderEnd.NO_FIELD
    if position - start > limits.max_size:
        raise HeaderRefused(_TOO_LARGE)
    return Header(matches, first_field, position, end_by)


def _mbox_line(content: bytes, start: int) -> int:
    """Return the end of an mbox "From " line at ``start``, which is not part of the message."""
    if not content.startswith((b"From ", b">From "), start):
        return start
    end = content.find(b"\r\n", start, start + 1_000)
    return start if end < 0 else end + 2
