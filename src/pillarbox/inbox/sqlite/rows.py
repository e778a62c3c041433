"""Converts messages to table rows and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from msgspec import DecodeError, Struct, msgpack

from pillarbox.inbox.values import DEFAULT_PROJECT, Label, Person, Summary
from pillarbox.message.summary import MailSummary
from pillarbox.search.folding import fold, fold_words
from pillarbox.store.port import KeptMessage, MessageId

__all__ = ["Arrived", "Words", "clean_tags", "read_summary", "take_in", "words_kept"]

_MOST_TAGS: Final = 50  # of a mail
_LONGEST_TAG: Final = 100  # characters
_LONGEST_FIELD: Final = 32 * 1024  # characters of a header field that a query looks at


class _Facts(Struct, frozen=True, omit_defaults=True):
    """What a list shows and nothing changes. A field that is added later needs a default."""

    project: str
    at: float
    size: int
    reverse_path: str = ""
    recipients: tuple[str, ...] = ()
    author: Person | None = None
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    subject: str = ""
    snippet: str = ""
    message_id: str = ""
    attachments: int = 0
    inlines: int = 0
    identity: str = ""
    client: str = ""
    session: str = ""
    tls: str = ""


_DAMAGED: Final = _Facts(
    project=DEFAULT_PROJECT, at=0.0, size=0, subject="(what the list shows of this mail is damaged)"
)
_encode: Final = msgpack.Encoder().encode
_decode: Final = msgpack.Decoder(_Facts).decode


Words = tuple[str, str, str, str]
"""Subject, people, names of attachments, text: folded for the full-text index."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail that is about to be kept, in the form of the tables."""

    message: KeptMessage
    summary: Summary
    facts: bytes
    fields: tuple[str, ...]  # of table ``field``
    words: Words  # of table ``words``


def take_in(message: KeptMessage, found: MailSummary, label: Label) -> Arrived:
    """Put together what is kept of a mail.

    Args:
        message: The mail as it comes through the door.
        found: What is read in its content.
        label: Its project and its tags.
    """
    envelope = message.envelope
    recipients = tuple(str(recipient.address) for recipient in envelope.recipients)
    facts = _Facts(
        project=label.project,
        at=message.accepted_at,
        size=message.size,
        reverse_path=str(envelope.reverse_path or ""),
        recipients=recipients,
        author=_person(found.author),
        to=_people(found.to),
        cc=_people(found.cc),
        bcc=_unnamed(recipients, found),
        reply_to=_people(found.reply_to),
        subject=_clean(found.subject),
        snippet=_clean(found.snippet),
        message_id=_clean(found.message_id),
        attachments=found.attachments,
        inlines=found.inlines,
        identity=_clean(message.identity),
        client=message.client,
        session=message.session,
        tls=message.tls,
    )
    return Arrived(
        message=message,
        summary=_summary(message.id, facts, tags=clean_tags(label.tags), is_read=False),
        facts=_encode(facts),
        fields=tuple(
            _folded(text) for text in (*_people_texts(facts), facts.subject, facts.message_id)
        ),
        words=_words(facts, found),
    )


def words_kept(facts: bytes, found: MailSummary) -> Words:
    """Return the words of a mail that is kept already.

    Args:
        facts: What is kept of it; nothing where that is lost.
        found: What is read in its content.
    """
    return _words(_facts(facts), found)


def _facts(octets: bytes) -> _Facts:
    try:
        return _decode(octets)
    except (DecodeError, UnicodeDecodeError):
        return _DAMAGED


def _words(facts: _Facts, found: MailSummary) -> Words:
    return (
        fold_words(facts.subject),
        fold_words("\n".join(_people_texts(facts))),
        fold_words("\n".join(found.filenames)),
        fold_words(found.text),
    )


def _people_texts(facts: _Facts) -> tuple[str, ...]:
    """Return the people of each field, in the order of table ``field``."""
    author = () if facts.author is None else (facts.author,)
    fields = (author, facts.to, facts.cc, facts.bcc, facts.reply_to)
    return tuple("\n".join(map(_text, people)) for people in fields)


def read_summary(message: int, is_read: int, facts: bytes, tags: Iterable[str]) -> Summary:
    """Make what a list shows of a row; a damaged one says that it is, among the others."""
    return _summary(MessageId(message), _facts(facts), tags=tuple(tags), is_read=bool(is_read))


def _summary(message: MessageId, facts: _Facts, *, tags: tuple[str, ...], is_read: bool) -> Summary:
    return Summary(
        id=message,
        project=facts.project,
        at=facts.at,
        reverse_path=facts.reverse_path,
        recipients=facts.recipients,
        author=facts.author,
        to=facts.to,
        cc=facts.cc,
        bcc=facts.bcc,
        reply_to=facts.reply_to,
        subject=facts.subject,
        snippet=facts.snippet,
        message_id=facts.message_id,
        size=facts.size,
        attachments=facts.attachments,
        inlines=facts.inlines,
        tags=tags,
        is_read=is_read,
        identity=facts.identity,
        client=facts.client,
        session=facts.session,
        tls=facts.tls,
    )


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags as they are kept: on one line, bounded, each once whatever its case; sorted."""
    by_fold: dict[str, str] = {}
    for tag in tags:
        name = " ".join(_clean(tag).split())[:_LONGEST_TAG].strip()
        if name and len(by_fold) < _MOST_TAGS:
            by_fold.setdefault(fold(name), name)
    return tuple(by_fold[folded] for folded in sorted(by_fold))


def _unnamed(recipients: tuple[str, ...], found: MailSummary) -> tuple[Person, ...]:
    """Return the recipients of the envelope that To and Cc do not name."""
    named = {person.address.casefold() for person in (*found.to, *found.cc)}
    return tuple(Person(address) for address in recipients if address.casefold() not in named)


def _person(person: Person | None) -> Person | None:
    return None if person is None else Person(_clean(person.address), _clean(person.name))


def _people(people: Iterable[Person]) -> tuple[Person, ...]:
    return tuple(Person(_clean(person.address), _clean(person.name)) for person in people)


def _text(person: Person) -> str:
    return f"{person.name} {person.address}" if person.name else person.address


def _folded(text: str) -> str:
    return fold(text[:_LONGEST_FIELD])


def _clean(text: str) -> str:
    """Replace what UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
