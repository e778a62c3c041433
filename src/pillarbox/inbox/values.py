"""Values of the inbox: a caught message, and a selection of messages."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from pillarbox.message.people import Person
from pillarbox.search.query import Query
from pillarbox.store.port import MessageId

__all__ = [
    "DEFAULT_PROJECT",
    "Cap",
    "Counts",
    "Label",
    "Page",
    "Person",
    "Removed",
    "Selection",
    "Summary",
    "TagCount",
]

DEFAULT_PROJECT: Final = "inbox"
"""The project for mail that no other project claims."""


class Summary(Struct, frozen=True, kw_only=True):
    """A caught mail as shown in the list."""

    id: MessageId
    project: str
    at: float  # when it was caught, seconds since 1970
    reverse_path: str  # "" for the null one
    recipients: tuple[str, ...]  # of the envelope
    author: Person | None  # the first of From
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]  # recipients of the envelope that no field names
    reply_to: tuple[Person, ...]
    subject: str
    snippet: str  # the beginning of the text, at most 250 characters, one line
    message_id: str  # without angle brackets, "" without one
    size: int  # octets
    attachments: int
    inlines: int  # parts that the text refers to, such as images
    tags: tuple[str, ...]
    is_read: bool
    identity: str  # who logged in, "" for nobody
    client: str  # the peer's address
    session: str  # the SMTP session that brought it; "" where there was none
    tls: str  # version and cipher, "" in the clear


class Page(Struct, frozen=True, kw_only=True):
    """A part of a list, newest first."""

    summaries: tuple[Summary, ...]
    total: int  # that match, in all
    unread: int  # of these
    has_more: bool


class Selection(Struct, frozen=True, kw_only=True):
    """Selects mails by ids, by a query, or (neither given) all of them."""

    ids: frozenset[MessageId] | None = None
    query: Query | None = None
    project: str | None = None  # None: in every project


class TagCount(Struct, frozen=True):
    """A tag, and how many mails carry it."""

    tag: str
    count: int


class Label(Struct, frozen=True):
    """The project of a mail, and its initial tags."""

    project: str = DEFAULT_PROJECT
    tags: tuple[str, ...] = ()


class Cap(Struct, frozen=True, kw_only=True):
    """How full a project, or the whole inbox, may become; the oldest mail goes first. 0: no cap."""

    max_messages: int = 0
    max_age: float = 0.0  # seconds
    max_octets: int = 0  # of contents; of the whole inbox: including removed mail


class Counts(Struct, frozen=True, kw_only=True):
    """How full a project, or the whole inbox, is."""

    total: int
    unread: int
    octets: int
    oldest_at: float | None  # when the oldest mail was caught


class Removed(Struct, frozen=True, kw_only=True):
    """Removed mail, which can be restored for a while."""

    undo: str  # the name for restoring it, "" if nothing was removed
    ids: tuple[MessageId, ...]
