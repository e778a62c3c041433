"""Re-encodes content that SMTP cannot carry, as quoted-printable (RFC 2045 §6.7).

Lines of more than 998 octets may never be sent (RFC 5321 §4.5.3.1.6), 8-bit octets not to a server
without 8BITMIME (RFC 6152 §3). Content that its author signed or encrypted is left alone.
"""

from __future__ import annotations

from binascii import b2a_qp
from collections.abc import Callable
from typing import Final

from pillarbox.message.header import HeaderLimits
from pillarbox.message.transfer import IDENTITY
from pillarbox.message.tree import Node, TreeLimits, read_tree

__all__ = ["in_seven_bits", "with_short_lines"]

_LONGEST: Final = 998  # octets without CRLF (RFC 5322 §2.1.1)
_LIMITS: Final = TreeLimits(
    max_depth=8,
    max_parts=100,
    opens_messages=False,
    header=HeaderLimits(max_size=64 * 1024, max_fields=1_000, max_field_size=64 * 1024),
)
_SEALED: Final = frozenset({"multipart/signed", "multipart/encrypted"})
_COMPOSITE: Final = frozenset({"message", "multipart"})
"""Types that must not be encoded (RFC 2045 §6.4)."""
_SIGNATURES: Final = (b"dkim-signature", b"arc-seal")
_ENCODING: Final = b"content-transfer-encoding"


def with_short_lines(content: bytes) -> bytes | None:
    """Return a message whose parts with long lines are encoded, or None if that is not allowed.

    A submission server may do that before it signs (RFC 6409 §8.4); mail that is already signed
    would no longer verify.

    Args:
        content: All of it, with CRLF line ends.
    """
    tree = read_tree(content, _LIMITS)
    if any(name in tree.header for name in _SIGNATURES):
        return None
    return _reencoded(tree, _has_long_lines)


def in_seven_bits(content: bytes) -> bytes | None:
    """Return a message whose 8-bit parts are encoded, or None if that is impossible.

    DKIM signatures do not survive it (RFC 6376 §5.3), but otherwise the message could not be
    delivered at all.

    Args:
        content: All of it, with CRLF line ends.
    """
    return _reencoded(read_tree(content, _LIMITS), _is_not_plain)


def _reencoded(tree: Node, is_unfit: Callable[[bytes], bool]) -> bytes | None:
    """Encode the parts that need it; None if that does not help."""
    parts = tuple(tree.walk())
    if any(part.media_type in _SEALED for part in parts):
        return None
    content = tree.octets
    pieces: list[bytes] = []
    at = 0
    for part in parts:
        if part.is_multipart or not is_unfit(part.body):
            continue
        if part.encoding not in IDENTITY or part.media_type.partition("/")[0] in _COMPOSITE:
            return None
        pieces += (content[at : part.start], _encoded_header(part), _encoded(part.body))
        at = part.end
    fit = b"".join((*pieces, content[at:]))
    return None if is_unfit(fit) else fit


def _has_long_lines(octets: bytes) -> bool:
    return max(map(len, octets.split(b"\r\n"))) > _LONGEST


def _is_not_plain(octets: bytes) -> bool:
    return not octets.isascii()


def _encoded(body: bytes) -> bytes:
    # Soft line breaks copy the first line end in the text; without one they would be LF.
    return b2a_qp(body + b"\r\n", istext=True)[:-2]


def _encoded_header(part: Node) -> bytes:
    """Return the header of a part with its new encoding."""
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
