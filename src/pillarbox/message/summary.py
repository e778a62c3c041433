"""Summarizes a message for lists and for the search index, quickly.

The work is bounded: the tree is built, but only the beginnings of the texts that the snippet and
the index need are decoded. The content of a message never raises an exception.
"""

from __future__ import annotations

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
from pillarbox.message.encoded_word import decode_text
from pillarbox.message.filename import shown_filename
from pillarbox.message.header import Header
from pillarbox.message.identification import read_message_id
from pillarbox.message.mail import with_line_ends
from pillarbox.message.people import Person, read_people
from pillarbox.message.plain import squeeze, visible_text
from pillarbox.message.transfer import IDENTITY, decode_transfer
from pillarbox.message.tree import Node, read_tree

__all__ = ["MAX_SNIPPET", "MAX_TEXT", "MailSummary", "summarize"]

MAX_SNIPPET: Final = 250
"""Characters of a snippet."""

MAX_TEXT: Final = 256 * 1024
"""Octets of each text part that are decoded for the index."""

_SHORT: Final = 500  # characters; a shorter plain text does not represent the whole message
_FOR_SNIPPET: Final = 8 * MAX_SNIPPET  # blanks, quotes and long lines are left out of it


class MailSummary(Struct, frozen=True, kw_only=True):
    """A mail in short."""

    subject: str
    author: Person | None  # the first of From
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    reply_to: tuple[Person, ...]
    message_id: str  # without angle brackets; "" without one
    snippet: str  # how the text begins, in one line
    text: str  # for the index: the plain text, plus that of the page if it is short
    attachments: int
    inlines: int  # parts that are shown within the text
    filenames: tuple[str, ...]  # of both, as they are shown
    tags_header: tuple[str, ...]  # of X-Tags


def summarize(octets: bytes) -> MailSummary:
    """Return a mail in short.

    Args:
        octets: The message.
    """
    root = read_tree(with_line_ends(octets))
    header = root.header
    body = select_body(root)
    plain, page = _texts(body)
    # A short text often only says that there is an HTML version.
    text = visible_text(page) if page and len(plain) < _SHORT else ""
    outside = outside_text(body)
    inlines = 0
    if outside:
        referred = referred_ids(page) if page else frozenset[str]()
        inlines = sum(is_within_text(part, referred) for part in outside)
    authors = _people(header, b"from")
    return MailSummary(
        subject=decode_text(header.get(b"subject") or b""),
        author=authors[0] if authors else None,
        to=_people(header, b"to"),
        cc=_people(header, b"cc"),
        reply_to=_people(header, b"reply-to"),
        message_id=read_message_id(header).strip("<>"),
        snippet=squeeze((plain.strip() or text)[:_FOR_SNIPPET], MAX_SNIPPET),
        text=f"{plain}\n{text}" if plain and text else plain or text,
        attachments=len(outside) - inlines,
        inlines=inlines,
        filenames=tuple(shown_filename(part.filename) for part in outside if part.filename),
        tags_header=_tags(header),
    )


def _texts(body: Body) -> tuple[str, str]:
    """Return the beginnings of the plain text and of the HTML."""
    plain = [_beginning(part) for part in body.text if not _is_page(part) and not is_media(part)]
    page = [_beginning(part) for part in body.html if _is_page(part)]
    return "\n".join(plain), "\n".join(page)


def _is_page(part: Node) -> bool:
    return part.media_type == "text/html"


def _beginning(part: Node) -> str:
    body = part.octets[part.body_start : min(part.end, part.body_start + MAX_TEXT)]
    if part.encoding not in IDENTITY:
        body = decode_transfer(body, part.encoding)
    return part.text_of(body)


def _people(header: Header, name: bytes) -> tuple[Person, ...]:
    if name not in header:
        return ()
    return tuple(person for value in header.get_all(name) for person in read_people(value))


def _tags(header: Header) -> tuple[str, ...]:
    value = header.get(b"x-tags")
    if not value:
        return ()
    names = (name.strip() for name in decode_text(value).split(","))
    return tuple(dict.fromkeys(name for name in names if name))
