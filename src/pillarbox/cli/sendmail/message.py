"""Turns ``sendmail``'s standard input into a message that can be submitted."""

from __future__ import annotations

import re
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.message.address_list import parse_address_list
from pillarbox.message.header import HeaderEnd, scan_header

__all__ = ["NotAMessage", "header_recipients", "message_of_input", "with_author", "without_bcc"]

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_LONE_DOT: Final = re.compile(rb"^\.\r?$", re.MULTILINE)
_TO: Final = (b"to", b"cc", b"bcc")
_RESENT_TO: Final = (b"resent-to", b"resent-cc", b"resent-bcc")
_BCC: Final = frozenset({b"bcc", b"resent-bcc"})
_SPECIALS: Final = re.compile(r'["\\]')


class NotAMessage(PermanentError):  # noqa: N818 - reads as what it says
    """The input cannot be sent as it is."""


def message_of_input(octets: bytes, *, ignores_dots: bool) -> bytes:
    """Return the message with CRLF line ends and the empty line behind its header.

    Args:
        octets: Standard input; its line ends may be LF, CRLF, CR, or all of them.
        ignores_dots: Whether a line with only a dot is content; otherwise it is the end.
    """
    if not ignores_dots and (dot := _LONE_DOT.search(octets)):
        octets = octets[: dot.start()]
    content = _LINE_END.sub(b"\r\n", octets)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    header = scan_header(content)
    content = content[header.first_field :]
    if header.end is HeaderEnd.EMPTY_LINE:
        return content
    size = header.size - header.first_field
    return content[:size] + b"\r\n" + content[size:]


def header_recipients(content: bytes) -> list[str]:
    """Return the addresses in To, Cc and Bcc, or in their Resent forms where there are any.

    Raises:
        NotAMessage: One of these fields cannot be read without guessing.
    """
    header = scan_header(content)
    names = _RESENT_TO if any(name in header for name in _RESENT_TO) else _TO
    recipients: dict[str, None] = {}  # in order, each once
    for name in names:
        for value in header.get_all(name):
            parsed = parse_address_list(value)
            if parsed.error:
                field = name.decode().capitalize()
                raise NotAMessage(f"the {field} field cannot be read: {parsed.error}")
            recipients.update(dict.fromkeys(map(str, parsed.mailboxes)))
    return list(recipients)


def without_bcc(content: bytes) -> bytes:
    """Return a message without its Bcc fields."""
    kept, position = [], 0
    for field in scan_header(content).fields:
        if field.name in _BCC:
            kept.append(content[position : field.start])
            position = field.end
    return b"".join([*kept, content[position:]])


def with_author(content: bytes, sender: str, full_name: str) -> bytes:
    """Return a message that has a From field, which every message must have."""
    if b"from" in scan_header(content):
        return content
    if any(ord(letter) < ord(" ") for letter in full_name):
        raise NotAMessage("the full name has control characters in it")
    quoted = _SPECIALS.sub(r"\\\g<0>", full_name)
    author = f'From: "{quoted}" <{sender}>\r\n' if full_name else f"From: {sender}\r\n"
    return author.encode() + content
