"""A message as a reader sees it: its fields decoded, its text, its attachments, its MIME tree.

Any input is a message; its content never raises an exception. Oddities are listed in ``defects``,
in words for people. Work is bounded by ``message.tree.TreeLimits`` and linear in the octets.
CPython's ``email`` package is not used. RFC 5322, RFC 2045 to 2049, RFC 8621 §4.1.4.
"""

from __future__ import annotations

import html as markup
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from pillarbox.message.body import (
    Body,
    is_media,
    is_within_text,
    outside_text,
    referred_ids,
    select_body,
)
from pillarbox.message.calendar import CalendarEvent, read_calendar
from pillarbox.message.dates import read_date
from pillarbox.message.encoded_word import decode_text
from pillarbox.message.filename import made_up_filename, safe_filename, shown_filename
from pillarbox.message.flowed import join_flowed
from pillarbox.message.header import Header
from pillarbox.message.identification import read_message_id
from pillarbox.message.people import Person, read_people
from pillarbox.message.tree import Node, read_tree

__all__ = [
    "Attachment",
    "HeaderField",
    "Mail",
    "part_text",
    "read_fields",
    "read_mail",
    "with_line_ends",
]

_PEOPLE: Final = frozenset(
    b"from sender reply-to to cc bcc resent-from resent-sender resent-to resent-cc resent-bcc "
    b"delivered-to return-path envelope-to disposition-notification-to errors-to x-original-to".split()
)
_MAX_CALENDARS: Final = 10


class HeaderField(Struct, frozen=True, gc=False):
    """One field of a header."""

    name: str  # as the sender spells it
    value: str  # decoded, in one line
    raw: bytes  # as it stands behind the colon, folds included
    line: int  # where it starts in the source of its part; the first line is 1


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not body text: attached, or shown within the text."""

    number: int  # of its part in the tree
    filename: str  # safe to save by and to put into a header field; "" without one
    shown_name: str  # the sender's name for it, with deceptive characters made visible
    media_type: str
    disposition: str  # "attachment", "inline", ... or ""
    content_id: str  # without angle brackets; "" without one
    node: Node = field(repr=False)

    @property
    def saved_as(self) -> str:
        """A name to save it under: the sender's, made safe, or a generated one."""
        if self.filename:
            return self.filename
        # An attachment with parts is a message: it is named by its subject.
        subjects = [part.header.get(b"subject") or b"" for part in self.node.children[:1]]
        return made_up_filename(self.number, self.media_type, decode_text(b"".join(subjects)))

    @property
    def content(self) -> bytes:
        """The octets; decoded anew each time."""
        return self.node.content

    @property
    def size(self) -> int:
        """Octets of the decoded content."""
        return self.node.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message as a reader sees it."""

    size: int  # octets, as it came
    fields: tuple[HeaderField, ...]
    subject: str  # "" without one, as are all texts here
    from_: tuple[Person, ...]
    sender: tuple[Person, ...]
    reply_to: tuple[Person, ...]
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]
    date: float | None  # seconds since 1970, as the sender says; None where it is no date
    message_id: str  # without angle brackets
    text: str | None  # the plain text, lines ending in LF; None where the mail has none
    html: str | None  # the page, likewise; None where the mail has none
    attachments: tuple[Attachment, ...]  # what is listed below the text
    inlines: tuple[Attachment, ...]  # what is shown within it, such as images
    calendar: tuple[CalendarEvent, ...]
    defects: tuple[str, ...]  # what is odd, each a sentence
    tree: Node = field(repr=False)

    def part(self, number: int) -> Node | None:
        """Return a part of the tree by its number, or None."""
        return next((node for node in self.tree.walk() if node.number == number), None)

    def attachment(self, number: int) -> Attachment | None:
        """Return what is attached or shown inline by the number of its part, or None."""
        everything = (*self.attachments, *self.inlines)
        return next((each for each in everything if each.number == number), None)

    def by_content_id(self, content_id: str) -> Attachment | None:
        """Return the part that a ``cid:`` refers to, or None; ids have no angle brackets."""
        everything = (*self.inlines, *self.attachments)
        return next((each for each in everything if each.content_id == content_id), None)

    def values(self, name: str) -> tuple[str, ...]:
        """Return the decoded values of all fields of a name, in any case of letters."""
        name = name.lower()
        return tuple(each.value for each in self.fields if each.name.lower() == name)


def read_mail(octets: bytes) -> Mail:
    """Read a mail.

    Args:
        octets: The message; if its header has no CRLF (as in a file), line ends are treated as
            CRLF.
    """
    size = len(octets)
    octets = with_line_ends(octets)
    root = read_tree(octets)
    body = select_body(root)
    html = _html(body)
    attachments, inlines = _attached(body, html)
    header = root.header
    return Mail(
        size=size,
        fields=read_fields(root),
        subject=decode_text(header.get(b"subject") or b""),
        from_=_people(header, b"from"),
        sender=_people(header, b"sender"),
        reply_to=_people(header, b"reply-to"),
        to=_people(header, b"to"),
        cc=_people(header, b"cc"),
        bcc=_people(header, b"bcc"),
        date=read_date(header.get(b"date") or b""),
        message_id=read_message_id(header).strip("<>"),
        text=_text(body),
        html=html,
        attachments=attachments,
        inlines=inlines,
        calendar=_calendar(root),
        defects=_defects(root),
        tree=root,
    )


def with_line_ends(octets: bytes) -> bytes:
    """Convert a message to CRLF line ends, if its first line has another."""
    end = octets.find(b"\n")
    if end < 0 or octets.startswith(b"\r", end - 1):
        return octets
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def read_fields(node: Node) -> tuple[HeaderField, ...]:
    """Return the header of a part, field by field, decoded for people."""
    fields: list[HeaderField] = []
    number = 1 + node.octets.count(b"\n", node.start, node.header.first_field)
    for name, line in zip(node.header.names, node.header.lines, strict=True):
        shown, _, raw = line.partition(b":")
        raw = raw.removesuffix(b"\r\n")
        value = _shown_people(raw) if name in _PEOPLE else decode_text(raw)
        fields.append(HeaderField(shown.decode("ascii").rstrip(), value, raw, number))
        number += line.count(b"\n")
    return tuple(fields)


def _shown_people(raw: bytes) -> str:
    """Return an address field as text; only its names are decoded (RFC 2047 §5)."""
    if b"=?" not in raw:
        return decode_text(raw)
    return ", ".join(
        f"{person.name} <{person.address}>" if person.name else person.address
        for person in read_people(raw)
    )


def _people(header: Header, name: bytes) -> tuple[Person, ...]:
    values = header.get_all(name)
    return tuple(person for value in values for person in read_people(value))


def _text(body: Body) -> str | None:
    texts = [part_text(part) for part in body.text if not is_media(part) and not _is_html(part)]
    return _joined(texts) if texts else None


def part_text(part: Node) -> str:
    """Return the text of a plain part, reflowed if it is flowed (RFC 3676)."""
    text = part.text.replace("\r\n", "\n")
    if part.parameters.get("format", "").lower() == "flowed":
        return join_flowed(text, deletes_space=part.parameters.get("delsp", "").lower() == "yes")
    return text


def _html(body: Body) -> str | None:
    if not any(_is_html(part) for part in body.html):
        return None
    return _joined([_as_html(part) for part in body.html])


def _is_html(part: Node) -> bool:
    return part.media_type == "text/html"


def _as_html(part: Node) -> str:
    if _is_html(part):
        return part.text.replace("\r\n", "\n")
    if is_media(part):
        return ""  # listed with the inline parts: the page does not refer to it
    return f'<div style="white-space: pre-wrap">{markup.escape(part_text(part))}</div>'


def _joined(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else "\n".join(filter(None, texts))


def _attached(
    body: Body, html: str | None
) -> tuple[tuple[Attachment, ...], tuple[Attachment, ...]]:
    """Return the attachments, and the parts shown within the text."""
    referred = referred_ids(html) if html else frozenset()
    attachments: list[Attachment] = []
    inlines: list[Attachment] = []
    for part in outside_text(body):
        (inlines if is_within_text(part, referred) else attachments).append(_attachment(part))
    return tuple(attachments), tuple(inlines)


def _attachment(part: Node) -> Attachment:
    return Attachment(
        number=part.number,
        filename=safe_filename(part.filename),
        shown_name=shown_filename(part.filename),
        media_type=part.media_type,
        disposition=part.disposition,
        content_id=part.content_id,
        node=part,
    )


def _calendar(root: Node) -> tuple[CalendarEvent, ...]:
    events: list[CalendarEvent] = []
    count = 0
    for node in root.walk():
        if node.media_type in {"text/calendar", "application/ics"} and count < _MAX_CALENDARS:
            count += 1
            events.extend(read_calendar(node.text))
    return tuple(dict.fromkeys(events))  # an invitation often comes as text and as a file


def _defects(root: Node) -> tuple[str, ...]:
    return tuple(
        f"Part {node.number} ({node.media_type}) {defect}."
        for node in root.walk()
        for defect in node.defects
    )
