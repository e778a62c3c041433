"""Whether one mail is among those that a search finds, for rules that act on new mail."""

from __future__ import annotations

from msgspec.structs import replace

from pillarbox.inbox.port import Inbox
from pillarbox.inbox.values import Summary
from pillarbox.search.query import Query, Term, Word
from pillarbox.store.ids import show_id

__all__ = ["fits"]


async def fits(inbox: Inbox, summary: Summary, query: Query | None, project: str = "") -> bool:
    """Say whether a mail is one of those that a rule is about.

    Args:
        inbox: Where it is kept.
        summary: The mail.
        query: What it has to match; None: anything.
        project: Where it has to be; "": anywhere.

    Raises:
        StoreUnavailable: The inbox fails.
    """
    if project and summary.project != project:
        return False
    if query is None or not query.terms:
        return True
    this = Term(Word.ID, show_id(summary.id))
    page = await inbox.find(replace(query, terms=(*query.terms, this)), limit=1)
    return bool(page.summaries)
