"""Content-Transfer-Encoding: decodes a part to its original octets.

Malformed base64 and quoted-printable yield what can be recovered; an unknown encoding (uuencode
among them) leaves the octets as they are. Nothing is raised; time is linear. RFC 2045 §6.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

__all__ = ["IDENTITY", "decode_transfer", "is_known_transfer"]

IDENTITY: Final = frozenset({"", "7bit", "8bit", "binary"})
"""Encodings that change nothing (RFC 2045 §6.2)."""

_KNOWN: Final = IDENTITY | {"quoted-printable", "base64"}
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=]+")
_OTHER: Final = re.compile(rb"[^A-Za-z0-9+/= \t\r\n]")
_PADDING: Final = re.compile(rb"=+")
_BLANK_ENDS: Final = re.compile(rb"[ \t]++(?=\r?\n)")


def is_known_transfer(encoding: str) -> bool:
    """Whether an encoding, in lower case, is a standard one."""
    return encoding in _KNOWN


def decode_transfer(octets: bytes, encoding: str) -> bytes:
    """Return the content of a part.

    Args:
        octets: The part's body as it stands in the message.
        encoding: The encoding's name in lower case.
    """
    if encoding == "quoted-printable":
        if b" \r\n" in octets or b"\t\r\n" in octets:
            # RFC 2045 §6.7 (3): blanks at the end of a line were put there on the way.
            octets = _BLANK_ENDS.sub(b"", octets)
        return binascii.a2b_qp(octets)
    if encoding == "base64":
        return _from_base64(octets)
    return octets


def _from_base64(octets: bytes) -> bytes:
    padding = octets.find(b"=")
    behind = octets[padding:].strip(b"= \t\r\n") if padding >= 0 else b""
    if not behind:
        try:
            return binascii.a2b_base64(octets)
        except binascii.Error:
            pass
    elif _OTHER.search(behind):
        # Padding is the end (RFC 2045 §6.8), and what follows is the footer of a list, in the clear.
        octets = octets[:padding]
    # Other characters are dropped. Padding in the middle ends one base64 run and another follows,
    # as when a footer was encoded separately. A single leftover character has no meaning.
    decoded = []
    for letters in _PADDING.split(_NOT_BASE64.sub(b"", octets)):
        whole = letters[: len(letters) - (len(letters) % 4 == 1)]
        decoded.append(binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)))
    return b"".join(decoded)
