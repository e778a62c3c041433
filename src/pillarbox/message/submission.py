"""What a submission server corrects in a message, and what it refuses (RFC 6409 §8).

A missing Date and Message-ID are added, Bcc and Return-Path are removed, an mbox "From " line is
removed, and a missing empty line after the header is added. All other octets stay as they are: an
edit says which slices of the message remain. Relayed mail is not edited; it only gets a trace
field.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from pillarbox.message.address_list import parse_address_list
from pillarbox.message.header import Header, HeaderEnd
from pillarbox.message.trace import format_date
from pillarbox.smtp.reply import Reply

__all__ = ["HeaderEdit", "check_submission", "fix_submission"]

# Bcc would reveal hidden recipients (RFC 5322 §3.6.3); Return-Path is written at final delivery
# only (RFC 5321 §4.4).
_REMOVED: Final = frozenset({b"bcc", b"resent-bcc", b"return-path"})

_NO_FROM: Final = Reply.of(550, "5.6.0", "The message has no From field")
_MANY_FROM: Final = Reply.of(550, "5.6.0", "The message has more than one From field")
_BAD_FROM: Final = Reply.of(550, "5.6.0", "The From field of the message is malformed")
_NO_SENDER: Final = Reply.of(
    550, "5.6.0", "The message has several authors and no Sender field (RFC 5322 3.6.2)"
)


class HeaderEdit(Struct, frozen=True, gc=False):
    """A changed header: new fields to put first, and the slices of the old one that remain.

    The body follows unchanged from ``body`` on. ``separator`` goes between the two; it is
    empty where the kept header has its own empty line.
    """

    prefix: bytes
    kept: tuple[slice, ...]
    separator: bytes
    body: int

    @property
    def is_empty(self) -> bool:
        """Whether the message stays as it is."""
        return not self.prefix and not self.separator and self.kept == (slice(0, self.body),)

    def apply(self, content: bytes) -> bytes:
        """Return the message with the edit made; ``content`` may be its start only."""
        if self.is_empty:
            return content
        header = (content[part] for part in self.kept)
        return b"".join((self.prefix, *header, self.separator, content[self.body :]))


def fix_submission(header: Header, *, message_id: bytes, at: float) -> HeaderEdit:
    """Return what to add to a submitted message and what to remove.

    Args:
        header: What ``scan_header`` found.
        message_id: The identifier for a message that has none, angle brackets included.
        at: When it was submitted, seconds since 1970.
    """
    prefix = b""
    if b"message-id" not in header:
        prefix = b"Message-ID: " + message_id + b"\r\n"
    if b"date" not in header:
        prefix += b"Date: " + format_date(at).encode() + b"\r\n"
    separator = b"" if header.end is HeaderEnd.EMPTY_LINE else b"\r\n"
    if header.is_cut and header.names[-1] not in _REMOVED:
        separator += b"\r\n"
    return HeaderEdit(prefix, _kept(header), separator, header.size)


def _kept(header: Header) -> tuple[slice, ...]:
    if _REMOVED.isdisjoint(header.names):
        return (slice(header.first_field, header.size),)
    slices = []
    start = header.first_field
    for field in header.fields:
        if field.name in _REMOVED:
            if start < field.start:
                slices.append(slice(start, field.start))
            start = field.end
    slices.append(slice(start, header.size))
    return tuple(slices)


def check_submission(header: Header) -> Reply | None:
    """Return why a submitted message is refused for its originator fields, or None.

    There must be one From field with mailboxes and no group (a group has no author whom
    DMARC could judge), and with several of them a Sender (RFC 5322 §3.6.2).
    """
    authors = header.get_all(b"from")
    if len(authors) != 1:
        return _MANY_FROM if authors else _NO_FROM
    parsed = parse_address_list(authors[0])
    if parsed.error or parsed.has_group or not parsed.addresses:
        return _BAD_FROM
    if len(parsed.addresses) > 1 and b"sender" not in header:
        return _NO_SENDER
    return None
