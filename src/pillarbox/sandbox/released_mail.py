"""A caught message as it leaves the sandbox, without what is nobody's business.

Bcc is removed, since released mail goes to people who were not meant to see it; so are Return-Path
and X-Tags, which meant something only here. Message-ID and everything else stay, as do the octets
of the body, so that a valid signature stays valid. A field marks the message as released: mail with
it is never forwarded automatically, so that no loop can arise.
"""

from __future__ import annotations

from typing import Final

from pillarbox.message.header import HeaderLimits, scan_header
from pillarbox.message.trace import format_date

__all__ = ["needs_utf8", "prepare_release", "was_released"]

_MARK: Final = b"x-pillarbox-released"
_DROPPED: Final = frozenset({b"bcc", b"return-path", b"x-tags"})
_LIMITS: Final = HeaderLimits(
    max_size=64 * 1024 * 1024, max_fields=1_000_000, max_field_size=64 * 1024 * 1024
)


def was_released(content: bytes) -> bool:
    """Whether a mail has been released by a sandbox before, and has come back."""
    return _MARK in scan_header(content, _LIMITS)


def needs_utf8(content: bytes) -> bool:
    """Whether the header holds more than ASCII, so that it needs SMTPUTF8 (RFC 6532 §3.2)."""
    return not content[: scan_header(content, _LIMITS).size].isascii()


def prepare_release(content: bytes, *, now: float) -> bytes:
    """Return a caught mail as it is sent to real people.

    Args:
        content: As it was caught; every line end is a CRLF.
        now: Seconds since 1970.
    """
    header = scan_header(content, _LIMITS)
    fields = header.fields
    kept = [content[each.start : each.end] for each in fields if each.name not in _DROPPED]
    body = content[fields[-1].end if fields else 0 :]
    mark = f"X-Pillarbox-Released: {format_date(now)}\r\n".encode()
    return b"".join((mark, *kept, body))
