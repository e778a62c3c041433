"""Lines that are too long for SMTP, made short by quoted-printable (RFC 2045 §6.7).

A submission server may do that (RFC 6409 §8.4), and it is better than a bounce: no line of more
than 998 octets may be sent (RFC 5321 §4.5.3.1.6). What is signed or encrypted as it stands is left
alone, for it would not verify any more.
"""

from __future__ import annotations

from binascii import b2a_qp
from typing import Final

from pillarbox.message.header import HeaderLimits
from pillarbox.message.transfer import IDENTITY
from pillarbox.message.tree import Node, TreeLimits, read_tree

__all__ = ["with_short_lines"]

_LONGEST: Final = 998  # octets without CRLF (RFC 5322 §2.1.1)
_LIMITS: Final = TreeLimits(
    max_depth=8,
    max_parts=100,
    opens_messages=False,
    header=HeaderLimits(max_size=64 * 1024, max_fields=1_000, max_field_size=64 * 1024),
)
_SEALED: Final = frozenset({"multipart/signed", "multipart/encrypted"})
_SIGNATURES: Final = (b"dkim-signature", b"arc-seal")
_ENCODING: Final = b"content-transfer-encoding"


def with_short_lines(content: bytes) -> bytes | None:
    """Return a message whose parts with long lines are encoded, or None where that is not right.

    Args:
        content: All of it, with CRLF line ends.
    """
    tree = read_tree(content, _LIMITS)
    parts = tuple(tree.walk())
    if any(name in tree.header for name in _SIGNATURES) or any(
        part.media_type in _SEALED for part in parts
    ):
        return None
    pieces: list[bytes] = []
    at = 0
    for part in parts:
        if part.is_multipart or not _has_long_lines(part.body):
            continue
        if part.encoding not in IDENTITY or part.media_type.partition("/")[0] in _COMPOSITE:
            return None
        pieces += (content[at : part.start], _encoded_header(part), _encoded(part.body))
        at = part.end
    short = b"".join((*pieces, content[at:]))
    return None if _has_long_lines(short) else short


_COMPOSITE: Final = frozenset({"message", "multipart"})
"""Types that must not be encoded (RFC 2045 §6.4)."""


def _has_long_lines(octets: bytes) -> bool:
    return max(map(len, octets.split(b"\r\n"))) > _LONGEST


def _encoded(body: bytes) -> bytes:
    # Soft line breaks follow the first line end that there is; without one they would be LF.
    return b2a_qp(body + b"\r\n", istext=True)[:-2]


def _encoded_header(part: Node) -> bytes:
    """Return the header of a part, which says how its body is encoded now."""
    octets, first = part.octets, part.header.first_field  # an mbox line may stand before it
    is_mime = part.number > 1 or b"mime-version" in part.header
    pieces = [octets[part.start : first], b"" if is_mime else b"MIME-Version: 1.0\r\n"]
    pieces.append(b"Content-Transfer-Encoding: quoted-printable\r\n")
    at = first
    for field in part.header.fields:
        if field.name == _ENCODING:
            pieces.append(octets[at : field.start])
            at = field.end
    return b"".join((*pieces, octets[at : part.body_start]))
