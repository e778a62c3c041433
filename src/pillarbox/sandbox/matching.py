"""Which newly caught messages match a rule: by project, and by a search."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.inbox.port import Inbox
from pillarbox.inbox.values import Selection, Summary
from pillarbox.search.query import Query

__all__ = ["matching"]


async def matching(
    inbox: Inbox, summaries: Sequence[Summary], query: Query | None, project: str = ""
) -> tuple[Summary, ...]:
    """Return those of some mails that a rule is about, in their order.

    The inbox is asked once for all of them: thousands may be caught in a second.

    Args:
        inbox: Where they are kept.
        summaries: The mails.
        query: What they have to match; None: anything.
        project: Where they have to be; "": anywhere.

    Raises:
        StoreUnavailable: The inbox fails.
    """
    chosen = tuple(each for each in summaries if not project or each.project == project)
    if not chosen or query is None or not query.terms:
        return chosen
    ids = frozenset(each.id for each in chosen)
    found = await inbox.matching(Selection(ids=ids, query=query))
    return tuple(each for each in chosen if each.id in found)
