"""The parts of a MIME message, as far as a program needs them that looks for an attachment.

Any octets have parts, at least one; nothing is raised, and nothing nests or multiplies without
bound: what lies deeper than eight levels, or behind the hundredth part, is not looked at. Time
is linear in the octets for each level. RFC 2045 §5, §6; RFC 2046 §5.1; RFC 2183; RFC 2231 §3.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from pillarbox.message.header import Header, HeaderLimits, HeaderRefused, scan_header

__all__ = ["MAX_DEPTH", "MAX_PARTS", "Part", "message_parts"]

MAX_DEPTH: Final = 8
MAX_PARTS: Final = 100

_LIMITS: Final = HeaderLimits(max_size=64 * 1024, max_fields=200, max_field_size=32 * 1024)
_MAX_BOUNDARY: Final = 200  # RFC 2046 §5.1.1 allows 70
_TYPE: Final = re.compile(rb"[ \t\r\n]*+([!-'*+.0-9A-Z^-~-]++/[!-'*+.0-9A-Z^-~-]++)")
_PARAMETER: Final = re.compile(
    rb';[ \t\r\n]*+([!#-\'*+.0-9A-Z^-~-]++)[ \t\r\n]*+=[ \t\r\n]*+(?:"((?>(?:[^"\\]++|\\.)*))"|([^; \t\r\n]*+))',
    re.DOTALL,
)
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")
_DEFAULT_TYPE: Final = "text/plain"  # RFC 2045 §5.2


@dataclass(frozen=True, slots=True)
class Part:
    """One part that has no parts itself."""

    media_type: str  # in lower case, without parameters
    filename: str  # "" without one
    encoding: str  # Content-Transfer-Encoding in lower case, "7bit" without one
    body: bytes = field(repr=False)  # as it stands in the message

    def decoded(self) -> bytes | None:
        """Return the content; None for an encoding that nobody knows (RFC 2045 §6)."""
        if self.encoding in {"7bit", "8bit", "binary"}:
            return self.body
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        if self.encoding == "base64":
            # RFC 2045 §6.8: all other characters are left out. What an odd number of them
            # leaves at the end cannot be decoded, and is left out as well.
            letters = _NOT_BASE64.sub(b"", self.body)
            letters = letters[: len(letters) - (len(letters) % 4 == 1)]
            return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
        return None


def message_parts(octets: bytes) -> tuple[Part, ...]:
    """Return the parts of a message that have no parts themselves, in their order.

    Args:
        octets: The message, with CRLF line ends.
    """
    found: list[Part] = []
    # What is still to be looked at, the next one last: nesting costs no stack.
    waiting = [(octets, 0)]
    while waiting and len(found) < MAX_PARTS:
        entity, depth = waiting.pop()
        header, body = _split(entity)
        media_type, parameters = _content_type(header)
        boundary = parameters.get("boundary", b"")
        if media_type.startswith("multipart/") and 0 < len(boundary) <= _MAX_BOUNDARY:
            if depth < MAX_DEPTH:
                children = [(child, depth + 1) for child in _children(body, boundary)]
                waiting.extend(reversed(children))
            continue
        found.append(_leaf(header, body, media_type, parameters))
    return tuple(found)


def _split(entity: bytes) -> tuple[Header | None, bytes]:
    try:
        header = scan_header(entity, _LIMITS)
    except HeaderRefused:
        return None, b""
    return header, entity[header.size :]


def _leaf(
    header: Header | None, body: bytes, media_type: str, parameters: dict[str, bytes]
) -> Part:
    encoding, disposition = b"", b""
    if header is not None:
        encoding = header.get(b"content-transfer-encoding") or b""
        disposition = header.get(b"content-disposition") or b""
    named = _parameters(disposition)
    name = named.get("filename") or named.get("filename*") or parameters.get("name", b"")
    is_extended = not named.get("filename") and "filename*" in named
    return Part(
        media_type=media_type,
        filename=_filename(name, is_extended=is_extended),
        encoding=encoding.decode("ascii", "replace").strip().lower() or "7bit",
        body=body,
    )


def _filename(name: bytes, *, is_extended: bool) -> str:
    if is_extended:  # RFC 2231 §4: charset'language'text; all that is seen is UTF-8
        name = unquote_to_bytes(name.rpartition(b"'")[2])
    return name.decode("utf-8", "replace")


def _content_type(header: Header | None) -> tuple[str, dict[str, bytes]]:
    value = header.get(b"content-type") if header is not None else None
    found = _TYPE.match(value) if value else None
    if value is None or found is None:
        return _DEFAULT_TYPE, {}
    return found[1].decode("ascii").lower(), _parameters(value)


def _parameters(value: bytes) -> dict[str, bytes]:
    """Return the parameters behind the first word of a field, the first of each name."""
    parameters: dict[str, bytes] = {}
    for found in _PARAMETER.finditer(value):
        name = found[1].decode("ascii").lower()
        text = found[3] if found[2] is None else _QUOTED_PAIR.sub(rb"\1", found[2])
        parameters.setdefault(name, text)
    return parameters


def _children(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """Cut a multipart body at its delimiters; what stands before and behind is left out."""
    delimiter = b"--" + boundary
    start = -1
    position = 0
    count = 0
    while count <= MAX_PARTS and (position := body.find(delimiter, position)) >= 0:
        line_start = position
        position += len(delimiter)
        if line_start and not body.startswith(b"\r\n", line_start - 2):
            continue
        line_end = body.find(b"\r\n", position)
        rest = body[position:] if line_end < 0 else body[position:line_end]
        is_last = rest.rstrip(b" \t") == b"--"
        if rest.strip(b" \t") and not is_last:
            continue  # a longer boundary that begins like this one
        if start >= 0:
            yield body[start : max(start, line_start - 2)]
            count += 1
        if is_last or line_end < 0:
            return
        start = position = line_end + 2
        # The delimiter may follow at once: an empty part.
        position -= 2
    if start >= 0 and count <= MAX_PARTS:
        yield body[start:]  # of a message that was cut off
