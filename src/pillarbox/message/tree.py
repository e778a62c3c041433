"""The MIME tree of a message: which parts it has, and how they nest.

Every input has a tree of at least one part; nothing is raised. It is found in one pass over the
octets: each line that begins with two hyphens is looked up among the open boundaries, so the
boundary of an outer part ends everything within it. Parts that nest deeper than ``TreeLimits``
allows, or follow the last allowed part, are not parsed. Contents are decoded on demand. RFC 2045,
RFC 2046 §5, RFC 2183, RFC 2231, RFC 6532.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from msgspec import Struct

from pillarbox.message.charset import decode_octets, is_known_charset
from pillarbox.message.header import Header, HeaderEnd, HeaderLimits, HeaderRefused, scan_header
from pillarbox.message.parameters import read_media_type, read_parameters, read_token
from pillarbox.message.transfer import IDENTITY, decode_transfer, is_known_transfer

__all__ = ["DEFAULT_TREE_LIMITS", "FEW_PARTS", "Node", "TreeLimits", "leaves", "read_tree"]

_MAX_BOUNDARY: Final = 200  # RFC 2046 §5.1.1 allows 70
_LONGEST_CACHED: Final = 256
_DEFAULT_TYPE: Final = "text/plain"  # RFC 2045 §5.2
_MESSAGES: Final = frozenset({"message/rfc822", "message/global", "message/news"})
_MAX_UNPACKED: Final = 2  # messages encoded as a whole, within each other
_SHOWN: Final = 40
# A page may declare its character set itself; browsers examine this many octets for it.
_META: Final = re.compile(
    rb"<meta[ \t\r\n][^<>]*?charset[ \t]*+=[ \t]*+[\"']?([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE
)
_META_WITHIN: Final = 1_024
_NO_PARAMETERS: Final[dict[str, str]] = {}
_NO_DISPOSITION: Final[tuple[str, dict[str, str]]] = ("", {})
_HEADER_LIMITS: Final = HeaderLimits(1024 * 1024, max_fields=5_000, max_field_size=512 * 1024)


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """How much of a message is parsed."""

    max_depth: int = 100
    max_parts: int = 1_000
    opens_messages: bool = True  # whether a message within a message is a part of the tree
    # For each part's header. Generous, because messages from files or malformed on purpose are
    # shown, too.
    header: HeaderLimits = _HEADER_LIMITS


DEFAULT_TREE_LIMITS: Final = TreeLimits()

FEW_PARTS: Final = TreeLimits(
    max_depth=8,
    max_parts=100,
    opens_messages=False,
    header=HeaderLimits(max_size=64 * 1024, max_fields=200, max_field_size=32 * 1024),
)
"""For a program that looks for one attachment: a report, or a delivery status."""


class Node(Struct, frozen=True, gc=False):
    """One part: its header's content, and its position in the octets."""

    number: int  # 1 is the whole message; depth first
    media_type: str  # in lower case, without parameters
    parameters: dict[str, str]  # of Content-Type
    encoding: str  # Content-Transfer-Encoding in lower case; "7bit" without one
    disposition: str  # "inline", "attachment", ... in lower case; "" without one
    filename: str  # as the sender wrote it, decoded; "" without one. Not safe: see ``filename``
    content_id: str  # without angle brackets; "" without one
    defects: tuple[str, ...]
    header: Header
    octets: bytes  # the message that the offsets count in
    start: int  # of the header
    body_start: int
    end: int
    children: tuple[Node, ...]

    @property
    def is_multipart(self) -> bool:
        """Whether it is a multipart that was parsed."""
        return self.media_type.startswith("multipart/") and bool(self.children)

    @property
    def body(self) -> bytes:
        """What follows the header, as it was sent."""
        return self.octets[self.body_start : self.end]

    @property
    def content(self) -> bytes:
        """The body, decoded; decoded anew each time."""
        return decode_transfer(self.body, self.encoding)

    @property
    def size(self) -> int:
        """Octets of the content."""
        if self.encoding in IDENTITY:
            return self.end - self.body_start
        return len(self.content)

    @property
    def charset(self) -> str:
        """What the sender calls the character set, in lower case; "" if nothing is said."""
        return self.parameters.get("charset", "").lower()

    @property
    def text(self) -> str:
        """The content as text."""
        return self.text_of(self.content)

    def text_of(self, content: bytes) -> str:
        """Return a content (or its beginning) in the part's character set as text."""
        label = self.charset
        if not label and self.media_type == "text/html":
            found = _META.search(content, 0, _META_WITHIN)
            label = found[1].decode("ascii") if found else ""
        return decode_octets(content, label)

    def walk(self) -> Iterator[Node]:
        """Yield this part and all parts within it, in numerical order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


class _Open:
    """A part whose end has not been found yet."""

    __slots__ = (
        "body_start",
        "boundary",
        "children",
        "defects",
        "depth",
        "header",
        "media_type",
        "number",
        "parameters",
        "start",
    )  # fmt: skip

    def __init__(self, number: int, depth: int, start: int) -> None:
        self.number = number
        self.depth = depth
        self.start = start
        self.header = Header([], start, start, HeaderEnd.NO_FIELD)
        self.body_start = start
        self.children: list[Node] = []
        self.defects: list[str] = []
        self.boundary = b""
        self.media_type, self.parameters = _DEFAULT_TYPE, _NO_PARAMETERS


def read_tree(octets: bytes, limits: TreeLimits = DEFAULT_TREE_LIMITS) -> Node:
    """Return the MIME tree of a message.

    Args:
        octets: The message with CRLF line ends (boundaries after a bare LF are found as well).
        limits: How much of it is taken apart.
    """
    return _Builder(octets, limits).build()


def leaves(octets: bytes, limits: TreeLimits = DEFAULT_TREE_LIMITS) -> tuple[Node, ...]:
    """Return the parts of a message that have no parts themselves, in their order."""
    return tuple(
        node
        for node in read_tree(octets, limits).walk()
        if not node.children and not node.media_type.startswith("multipart/")
    )


class _Builder:
    """Finds the parts of one message; open parts are on a stack, so there is no recursion."""

    def __init__(
        self,
        octets: bytes,
        limits: TreeLimits,
        *,
        number: int = 1,
        depth: int = 0,
        unpacked: int = 0,
    ) -> None:
        self._octets = octets
        self._limits = limits
        self._next_number = number
        self._base = depth  # how deep the root stands in the tree that it is built for
        self._unpacked = unpacked  # how many encoded messages this one stands in
        self._stack: list[_Open] = []
        self._boundaries: dict[bytes, int] = {}  # of open multiparts: their place in the stack

    @property
    def next_number(self) -> int:
        """The number after the last part."""
        return self._next_number

    def build(self) -> Node:
        """Return the root."""
        octets = self._octets
        self._open(0)
        position = max(0, self._stack[-1].body_start - 1)
        # A line end before each delimiter belongs to it (RFC 2046 §5.1.1).
        while self._boundaries and (found := octets.find(b"\n--", position)) >= 0:
            line_start = found + 1
            line_end = octets.find(b"\n", line_start)
            line_end = len(octets) if line_end < 0 else line_end
            position = line_end
            place, is_last = self._delimiter(line_start, line_end)
            if place is None:
                continue
            self._close_above(place, line_start)
            if is_last:
                del self._boundaries[self._stack[place].boundary]
                self._stack[place].boundary = b""
            elif line_end + 1 >= len(octets):
                break  # truncated after a delimiter: the part is missing
            elif self._next_number > self._limits.max_parts:
                self._stack[place].defects.append("has more parts than are looked at")
                self._boundaries.clear()
            else:
                self._open(line_end + 1)
                position = max(self._stack[-1].body_start - 1, line_end)
        for part in self._stack:
            if part.boundary and part.children:
                part.defects.append("ends without its last boundary")
        self._close_above(-1, len(octets) + 1)
        return self._root

    def _delimiter(self, start: int, end: int) -> tuple[int | None, bool]:
        """Return the place of the multipart that a line delimits, and whether it ends it."""
        if end - start > _MAX_BOUNDARY + 10:
            return None, False
        text = self._octets[start + 2 : end].rstrip(b" \t\r")
        place = self._boundaries.get(text)
        if place is None and text.endswith(b"--"):
            return self._boundaries.get(text[:-2]), True
        return place, False

    def _open(self, start: int) -> None:
        """Push the part that starts there, and the message within it, if any."""
        stack, limits = self._stack, self._limits
        while True:
            part = _Open(self._next_number, len(stack), start)
            self._next_number += 1
            self._read_header(part)
            self._read_type(part, stack[-1].media_type if stack else "")
            stack.append(part)
            is_deep = self._base + len(stack) > limits.max_depth
            if part.media_type.startswith("multipart/"):
                self._expect(part, is_deep=is_deep)
            if (
                part.media_type not in _MESSAGES
                or _encoding(part.header) not in IDENTITY
                or is_deep
                or not limits.opens_messages
                or self._next_number > limits.max_parts
            ):
                return
            start = part.body_start

    def _read_header(self, part: _Open) -> None:
        try:
            header = scan_header(self._octets, self._limits.header, start=part.start)
        except HeaderRefused:
            part.defects.append("has a header that is too large to be read")
            return
        # A boundary with a colon in it looks like a field.
        found = self._octets.find(b"\n--", max(0, part.start - 1), header.size)
        while found >= 0 and self._boundaries:
            line_end = self._octets.find(b"\n", found + 1)
            line_end = line_end if line_end >= 0 else header.size
            if self._delimiter(found + 1, line_end)[0] is not None:
                header = header.before(found + 1)
                break
            found = self._octets.find(b"\n--", found + 1, header.size)
        part.header, part.body_start = header, header.size

    def _read_type(self, part: _Open, parent_type: str) -> None:
        value = part.header.get(b"content-type")
        # RFC 2046 §5.1.5: what a digest holds are messages.
        default = "message/rfc822" if parent_type == "multipart/digest" else _DEFAULT_TYPE
        if value is None:
            part.media_type = default
            return
        media_type, parameters = (
            _content_type(value) if len(value) <= _LONGEST_CACHED else _read_content_type(value)
        )
        if not media_type:
            part.defects.append("has a malformed Content-Type")
        part.media_type, part.parameters = media_type or default, parameters

    def _expect(self, part: _Open, *, is_deep: bool) -> None:
        """Look for the parts of a multipart from now on."""
        boundary = part.parameters.get("boundary", "").rstrip().encode()
        if not boundary or len(boundary) > _MAX_BOUNDARY:
            part.defects.append("is a multipart without a usable boundary")
        elif is_deep:
            part.defects.append("nests deeper than is looked at")
        elif boundary in self._boundaries:
            # Then its parts count as the outer one's, as in all clients.
            part.defects.append("has the boundary of the multipart around it")
        else:
            part.boundary = boundary
            self._boundaries[boundary] = len(self._stack) - 1

    def _close_above(self, place: int, delimiter: int) -> None:
        """Close all parts above a stack position, before a delimiter line."""
        end = delimiter - 1
        if self._octets.startswith(b"\r", end - 1) and delimiter <= len(self._octets):
            end -= 1
        while len(self._stack) - 1 > place:
            part = self._stack.pop()
            if part.boundary:
                self._boundaries.pop(part.boundary, None)
            node = self._closed(part, end)
            if self._stack:
                self._stack[-1].children.append(node)
            else:
                self._root = node

    def _closed(self, part: _Open, end: int) -> Node:
        header = part.header
        encoding = _encoding(header)
        disposition, named = _NO_DISPOSITION
        if (value := header.get(b"content-disposition")) is not None:
            disposition, named = read_token(value), read_parameters(value)
        if part.media_type in _MESSAGES and encoding not in IDENTITY:
            self._unpack(part, end, encoding)
        content_id = header.get(b"content-id")
        return Node(
            number=part.number,
            media_type=part.media_type,
            parameters=part.parameters,
            encoding=encoding,
            disposition=disposition,
            filename=named.get("filename") or part.parameters.get("name", ""),
            content_id=_content_id(content_id) if content_id else "",
            defects=self._defects(part, encoding),
            header=header,
            octets=self._octets,
            # The line end of an empty part belongs to the delimiter after it.
            start=min(part.start, end),
            body_start=min(part.body_start, end),
            end=end,
            children=tuple(part.children),
        )

    def _unpack(self, part: _Open, end: int, encoding: str) -> None:
        """Parse a message that is encoded as a whole, although RFC 2046 §5.2.1 forbids it."""
        depth = self._base + part.depth + 1
        if (
            not self._limits.opens_messages
            or self._unpacked >= _MAX_UNPACKED
            or depth >= self._limits.max_depth
            or self._next_number > self._limits.max_parts
        ):
            return
        content = decode_transfer(self._octets[part.body_start : end], encoding)
        builder = _Builder(
            content,
            self._limits,
            number=self._next_number,
            depth=depth,
            unpacked=self._unpacked + 1,
        )
        part.children.append(builder.build())
        self._next_number = builder.next_number

    def _defects(self, part: _Open, encoding: str) -> tuple[str, ...]:
        defects = part.defects
        if not is_known_transfer(encoding):
            defects.append(f"has an encoding that nobody knows: {encoding[:_SHOWN]}")
        charset = part.parameters.get("charset")
        if charset and part.media_type.startswith("text/") and not is_known_charset(charset):
            defects.append(f"has a character set that is not read: {charset[:_SHOWN]}")
        if part.header.end is HeaderEnd.NO_FIELD and len(part.header):
            defects.append("has a line in its header that is no field")
        return tuple(defects)


def _encoding(header: Header) -> str:
    value = header.get(b"content-transfer-encoding")
    return (read_token(value) if value else "") or "7bit"


def _content_id(value: bytes) -> str:
    text = value.decode("utf-8", "replace").strip()
    start, end = text.find("<"), text.rfind(">")
    return (text[start + 1 : end] if 0 <= start < end else text).strip()


def _read_content_type(value: bytes) -> tuple[str, dict[str, str]]:
    return read_media_type(value), read_parameters(value)


# Nearly all parts of all mail have one of a few types.
_content_type = lru_cache(maxsize=512)(_read_content_type)
