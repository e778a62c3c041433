"""Checks quickly whether every line end is a CRLF (RFC 5321 §2.3.8)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["has_lone_lf", "has_only_crlf"]

_ALL_BUT_LINE_ENDS: Final = bytes(octet for octet in range(256) if octet not in b"\r\n")
_lone_cr: Final = re.compile(rb"\r(?!\n)").search


def has_only_crlf(octets: bytes) -> bool:
    """Return whether every CR and every LF is part of a CRLF.

    Three counts would say it, too, and take half as long again. Here the CRs and LFs are
    lifted out; if they alternate, there are as many of each, and if an LF follows every
    CR at once, no LF is left that stands alone.
    """
    return not has_lone_lf(octets) and _lone_cr(octets) is None


def has_lone_lf(octets: bytes) -> bool:
    """Return whether there is a lone LF in octets without a lone CR."""
    line_ends = octets.translate(None, _ALL_BUT_LINE_ENDS)
    return line_ends != b"\r\n" * (len(line_ends) // 2)
