"""The list of messages: its rows, the cursor for the next part, and errors of the search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.hues import Hues, TagEntry
from pillarbox.console.sandbox.place import Place
from pillarbox.inbox.values import Summary
from pillarbox.search.language import QueryError
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId

__all__ = ["PAGE_ROWS", "Listing", "Row", "list_of", "make_listing", "row_of"]

PAGE_ROWS: Final = 60
_SHOWN_PEOPLE: Final = 3
_QUOTED: Final = re.compile(r'"([^"]++)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mail as the list shows it."""

    id: str
    subject: str
    author: str
    to: str
    snippet: str
    at: float
    tags: tuple[TagEntry, ...]
    attachments: int
    is_read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A part of the list."""

    place: Place
    rows: tuple[Row, ...] = ()
    total: int = 0
    unread: int = 0
    next: str = ""  # the query string of what comes after it, "" at the end
    open_id: str = ""  # the mail that is open beside it
    problem: str = ""  # what is wrong with the search
    suggestion: str = ""  # the search as it was probably meant

    @property
    def title(self) -> str:
        """What the list is, in words."""
        if self.place.q:
            return f"Search: {self.place.q}"
        return self.place.project or "All mail"


async def make_listing(
    desk: Desk,
    place: Place,
    *,
    before: MessageId | None = None,
    open_id: str = "",
    limit: int = PAGE_ROWS,
) -> Listing:
    """Return the newest mails of a place, or those older than a given one."""
    try:
        page = await desk.sandbox.find(
            place.q or None, project=place.project, limit=limit, before=before
        )
    except QueryError as error:
        suggestion = _mended(place.q, error)
        return Listing(place=place, problem=str(error), suggestion=suggestion, open_id=open_id)
    await desk.hues.load()
    rows = tuple(row_of(summary, desk.hues) for summary in page.summaries)
    following = place.with_values(before=rows[-1].id) if page.has_more and rows else ""
    return Listing(
        place=place,
        rows=rows,
        total=page.total,
        unread=page.unread,
        next=following,
        open_id=open_id,
    )


async def list_of(desk: Desk, place: Place, messages: tuple[MessageId, ...]) -> Listing:
    """Return the rows of certain mails, if they still exist."""
    await desk.hues.load()
    found = [await desk.sandbox.summary(message) for message in messages]
    rows = tuple(row_of(summary, desk.hues) for summary in found if summary is not None)
    return Listing(place=place, rows=rows)


def row_of(summary: Summary, hues: Hues) -> Row:
    """Return a mail as the list shows it."""
    author = summary.author
    return Row(
        id=show_id(summary.id),
        subject=summary.subject,
        author=(author.name or author.address) if author else summary.reverse_path or "nobody",
        to=_recipients(summary),
        snippet=summary.snippet,
        at=summary.at,
        tags=tuple(hues.entry(tag) for tag in summary.tags),
        attachments=summary.attachments,
        is_read=summary.is_read,
    )


def _mended(search: str, error: QueryError) -> str:
    """Return the corrected search, "" if there is no likely correction."""
    wrong = _QUOTED.search(str(error))  # the sentence names it first
    if not error.suggestion or wrong is None:
        return ""
    return search.replace(wrong[1], error.suggestion, 1)


def _recipients(summary: Summary) -> str:
    """Return a mail's recipients: from its header, or else from the envelope."""
    addresses = [person.address for person in (*summary.to, *summary.cc)] or summary.recipients
    shown = ", ".join(addresses[:_SHOWN_PEOPLE])
    return shown + (f" +{len(addresses) - _SHOWN_PEOPLE}" if len(addresses) > _SHOWN_PEOPLE else "")
