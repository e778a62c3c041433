"""Whether every line end of some octets is a CRLF, found out fast (RFC 5321 §2.3.8)."""

from __future__ import annotations

from typing import Final

__all__ = ["has_only_crlf"]

_ALL_BUT_LINE_ENDS: Final = bytes(octet for octet in range(256) if octet not in b"\r\n")


def has_only_crlf(octets: bytes) -> bool:
    r"""Return whether every CR and every LF is part of a CRLF.

    Three counts would say it, too, and take half as long again. Here the CRs and LFs are
    lifted out; if they alternate, there are as many of each. A CR and its LF might still
    stand apart (``\r.\n``), but then they end two lines instead of one, and there are
    more lines than pairs.
    """
    line_ends = octets.translate(None, _ALL_BUT_LINE_ENDS)
    pairs = len(line_ends) // 2
    if line_ends != b"\r\n" * pairs:
        return False
    is_ended = octets.endswith(b"\n")
    return len(octets.splitlines()) == pairs + (1 if octets and not is_ended else 0)
