"""The words of the search language, as a table: what each matches, and an example.

The parser, the help on pages and the documentation are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from pillarbox.search.query import Word

__all__ = ["CHOICES", "MAIL_WORDS", "ORDERS", "SENT_WORDS", "WORDS", "WordRow"]


class WordRow(Struct, frozen=True):
    """What people are told of a word."""

    word: Word
    example: str
    meaning: str


WORDS: Final = (
    WordRow(Word.ANY, "invoice", "a word of the mail begins so, whatever its capitals and accents"),
    WordRow(Word.ANY, '"your code"', "these words stand together, in this order"),
    WordRow(Word.FROM, "from:ann", "the author's address or name contains this"),
    WordRow(Word.TO, "to:@example.org", "a recipient of To contains this"),
    WordRow(Word.CC, "cc:bob", "a recipient of Cc contains this"),
    WordRow(Word.BCC, "bcc:bob", "a recipient whom no field names contains this"),
    WordRow(Word.REPLY_TO, "reply-to:help", "Reply-To contains this"),
    WordRow(Word.ADDRESSED, "addressed:ann", "From, To, Cc, Bcc or Reply-To contains this"),
    WordRow(Word.SUBJECT, 'subject:"reset your"', "the subject contains this"),
    WordRow(Word.MESSAGE_ID, "message-id:42@example.com", "the Message-ID contains this"),
    WordRow(Word.TAG, "tag:signup", "it carries this tag"),
    WordRow(Word.IS, "is:unread", "it is read, unread or tagged"),
    WordRow(Word.HAS, "has:attachment", "it has an attachment, or an inline part"),
    WordRow(Word.BEFORE, "before:2026-11-21", "it came before this day or time"),
    WordRow(Word.AFTER, "after:2h", "it came at this time or later: here, in the last two hours"),
    WordRow(Word.LARGER, "larger:1M", "it has more octets"),
    WordRow(Word.SMALLER, "smaller:50k", "it has fewer octets"),
    WordRow(Word.ID, "id:06ys1f8g0003c", "it has this id"),
    WordRow(Word.STATUS, "status:deferred", "what became of it"),
    WordRow(Word.STREAM, "stream:transactional", "the stream that it was sent in"),
    WordRow(Word.DOMAIN, "domain:example.org", "the domain of a recipient"),
    WordRow(Word.MX, "mx:mx1.example.org", "the server that it went to"),
    WordRow(Word.IP, "ip:192.0.2.1", "an address that it came from or went to"),
    WordRow(Word.CODE, "code:5.1.1", "a status code of a reply"),
    WordRow(Word.BOUNCE, "bounce:mailbox-full", "why it came back"),
)
"""Every word, in the order in which people look for them."""

MAIL_WORDS: Final = frozenset(
    {
        *(Word.FROM, Word.TO, Word.CC, Word.BCC, Word.REPLY_TO, Word.ADDRESSED),
        *(Word.SUBJECT, Word.MESSAGE_ID, Word.TAG, Word.IS, Word.HAS, Word.ID),
        *(Word.BEFORE, Word.AFTER, Word.LARGER, Word.SMALLER),
    }
)
"""What can be asked of mail that was caught."""

SENT_WORDS: Final = frozenset(Word) - {Word.ANY}
"""What can be asked of mail that is sent."""

CHOICES: Final[Mapping[Word, Mapping[str, str]]] = MappingProxyType(
    {
        Word.IS: MappingProxyType({"read": "read", "unread": "unread", "tagged": "tagged"}),
        Word.HAS: MappingProxyType(
            {
                "attachment": "attachment",
                "attachments": "attachment",
                "inline": "inline",
                "inlines": "inline",
            }
        ),
    }
)
"""The words that take one of a few values, and the value each spelling means."""

ORDERS: Final = ("newest", "oldest", "largest", "smallest")
