"""Converts the sandbox's values into the models of the native API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pillarbox.api.checksums import checksummed
from pillarbox.api.sandbox import models as m
from pillarbox.api.times import rfc3339
from pillarbox.inbox.values import Page, Person, Summary
from pillarbox.message.codes import codes_in
from pillarbox.message.explanations import explain_field
from pillarbox.message.links import links_in
from pillarbox.message.mail import HeaderField, Mail
from pillarbox.message.tree import Node
from pillarbox.store.ids import show_id

__all__ = ["show_field", "show_links", "show_list", "show_message", "show_node", "show_summary"]


def show_summary(summary: Summary) -> m.MessageSummary:
    """Return a row of the list."""
    return m.MessageSummary(**_row(summary))


def show_list(page: Page) -> m.MessageList:
    """Return a page of the list."""
    rows = [show_summary(summary) for summary in page.summaries]
    return m.MessageList(
        data=rows,
        total=page.total,
        unread=page.unread,
        has_more=page.has_more,
        next=rows[-1].id if rows and page.has_more else None,
    )


def show_message(summary: Summary, mail: Mail) -> m.Message:
    """Return a mail with everything that a test wants to see; takes time with its size."""
    return m.Message(
        **_row(summary),
        date=None if mail.date is None else rfc3339(mail.date),
        text=mail.text,
        html=mail.html,
        parts=[
            m.Attachment(
                number=one.part.number,
                filename=one.part.filename,
                media_type=one.part.media_type,
                disposition=one.part.disposition,
                content_id=one.part.content_id,
                size=one.size,
                md5=one.checksums.md5,
                sha1=one.checksums.sha1,
                sha256=one.checksums.sha256,
            )
            for one in checksummed((*mail.attachments, *mail.inlines))
        ],
        links=show_links(mail),
        codes=list(codes_in(mail)),
        defects=list(mail.defects),
    )


def show_links(mail: Mail) -> list[m.MessageLink]:
    """Return the links of a mail."""
    return [
        m.MessageLink(url=link.url, text=link.text, source=link.source, kind=link.kind)
        for link in links_in(mail)
    ]


def show_field(field: HeaderField) -> m.HeaderField:
    """Return a field with what it is for."""
    explanation = explain_field(field.name, field.value)
    return m.HeaderField(
        name=field.name,
        value=field.value,
        raw=field.raw.decode("utf-8", "replace"),
        what=explanation.what,
        standard=explanation.standard,
    )


def show_node(node: Node) -> m.Node:
    """Return a part of the MIME tree, and what is in it."""
    return m.Node(
        number=node.number,
        media_type=node.media_type,
        filename=node.filename,
        encoding=node.encoding,
        charset=node.charset,
        size=node.size,
        defects=list(node.defects),
        children=[show_node(child) for child in node.children],
    )


def _row(summary: Summary) -> dict[str, Any]:
    return {
        "id": show_id(summary.id),
        "project": summary.project,
        "received_at": rfc3339(summary.at),
        "from_": None if summary.author is None else _person(summary.author),
        "to": _people(summary.to),
        "cc": _people(summary.cc),
        "bcc": _people(summary.bcc),
        "reply_to": _people(summary.reply_to),
        "subject": summary.subject,
        "snippet": summary.snippet,
        "message_id": summary.message_id,
        "size": summary.size,
        "attachments": summary.attachments,
        "inlines": summary.inlines,
        "tags": list(summary.tags),
        "is_read": summary.is_read,
        "envelope": m.Envelope(sender=summary.reverse_path, recipients=list(summary.recipients)),
        "user": summary.identity,
        "client": summary.client,
        "tls": summary.tls,
        "session": summary.session,
    }


def _people(people: Iterable[Person]) -> list[m.Addressee]:
    return [_person(person) for person in people]


def _person(person: Person) -> m.Addressee:
    return m.Addressee(address=person.address, name=person.name)
