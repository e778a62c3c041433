"""Converts the sandbox's values into Mailpit's JSON, with Mailpit's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pillarbox.api.checksums import Checksummed, checksummed
from pillarbox.api.mailpit.unsubscribing import show_list_unsubscribe
from pillarbox.api.times import rfc3339
from pillarbox.inbox.values import Counts, Page, Person, Summary, TagCount
from pillarbox.message.mail import HeaderField, Mail
from pillarbox.message.plain import html_to_text
from pillarbox.store.ids import show_id

__all__ = ["canonical_name", "show_headers", "show_message", "show_messages", "show_summary"]

Shape = dict[str, Any]


def show_summary(summary: Summary) -> Shape:
    """Return a row of a list."""
    return {
        "ID": show_id(summary.id),
        "MessageID": summary.message_id,
        "Read": summary.is_read,
        **_addressees(summary),
        "Subject": summary.subject,
        "Created": rfc3339(summary.at),
        "Username": summary.identity,
        "Tags": list(summary.tags),
        "Size": summary.size,
        "Attachments": summary.attachments,
        "Snippet": summary.snippet,
    }


def show_messages(page: Page, *, counts: Counts, tags: Iterable[TagCount], start: int) -> Shape:
    """Return a list: lower case around, and PascalCase in the rows."""
    return {
        "total": counts.total,
        "unread": counts.unread,
        "count": len(page.summaries),
        "messages_count": page.total,
        "messages_unread": page.unread,
        "start": start,
        "tags": [each.tag for each in tags],
        "messages": [show_summary(summary) for summary in page.summaries],
    }


def show_message(summary: Summary, mail: Mail) -> Shape:
    """Return a mail; takes time with its size."""
    # A mail without a plain text shows that of its HTML, as Mailpit's parser has it.
    text = mail.text if mail.text is not None else html_to_text(mail.html or "")
    return {
        "ID": show_id(summary.id),
        "MessageID": summary.message_id,
        "Read": True,  # as releases of 2023 had it, for a client of then
        **_addressees(summary),
        "ReturnPath": summary.reverse_path,
        "Subject": summary.subject,
        "ListUnsubscribe": show_list_unsubscribe(mail),
        "Date": rfc3339(summary.at if mail.date is None else mail.date),
        "Tags": list(summary.tags),
        "Username": summary.identity,
        "Text": text,
        "HTML": mail.html or "",
        "Size": summary.size,
        "Inline": [_attachment(each) for each in checksummed(mail.inlines)],
        "Attachments": [_attachment(each) for each in checksummed(mail.attachments)],
    }


def show_headers(fields: Iterable[HeaderField]) -> dict[str, list[str]]:
    """Return the values of each field's name, not decoded, the names in order."""
    found: dict[str, list[str]] = {}
    for field in fields:
        lines = field.raw.decode("utf-8", "replace").splitlines()
        value = " ".join(line.strip() for line in lines).strip()
        found.setdefault(canonical_name(field.name), []).append(value)
    return dict(sorted(found.items()))


def canonical_name(name: str) -> str:
    """Return a field's name as Go spells it: ``Message-Id``."""
    return "-".join(part.capitalize() for part in name.split("-"))


def _addressees(summary: Summary) -> Shape:
    return {
        "From": None if summary.author is None else _person(summary.author),
        "To": _people(summary.to),
        "Cc": _people(summary.cc),
        "Bcc": _people(summary.bcc),
        "ReplyTo": _people(summary.reply_to),
    }


def _people(people: Iterable[Person]) -> list[Shape]:
    return [_person(person) for person in people]


def _person(person: Person) -> Shape:
    return {"Name": person.name, "Address": person.address}


def _attachment(one: Checksummed) -> Shape:
    return {
        "PartID": str(one.part.number),
        "FileName": one.part.filename,
        "ContentType": one.part.media_type,
        "ContentID": one.part.content_id,
        "Size": one.size,
        "Checksums": {
            "MD5": one.checksums.md5,
            "SHA1": one.checksums.sha1,
            "SHA256": one.checksums.sha256,
        },
    }
