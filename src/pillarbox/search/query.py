"""A parsed query. ``parse_query`` is in ``search.language``."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

__all__ = ["Query", "Term", "Word"]


class Word(Enum):
    """What a term looks at."""

    ANY = ""  # the whole mail: subject, people, text, attachments' names
    TO = "to"
    FROM = "from"
    CC = "cc"
    BCC = "bcc"
    REPLY_TO = "reply-to"
    ADDRESSED = "addressed"  # from, to, cc, bcc and reply-to together
    SUBJECT = "subject"
    MESSAGE_ID = "message-id"
    TAG = "tag"
    IS = "is"  # read, unread, tagged
    HAS = "has"  # attachment, inline
    BEFORE = "before"
    AFTER = "after"
    LARGER = "larger"
    SMALLER = "smaller"
    # Of operators: what became of mail that is sent.
    STATUS = "status"
    STREAM = "stream"
    DOMAIN = "domain"
    MX = "mx"
    IP = "ip"
    CODE = "code"
    BOUNCE = "bounce"
    ID = "id"


class Term(Struct, frozen=True):
    """One condition."""

    word: Word
    value: str  # as it was written, without quotes
    is_negated: bool = False
    is_phrase: bool = False
    number: float = 0.0  # octets of larger and smaller; seconds since 1970 of before and after


class Query(Struct, frozen=True):
    """Conditions that all must hold."""

    terms: tuple[Term, ...] = ()
    order: str = ""  # "", "newest", "oldest", "largest", "smallest"
