"""Which messages a request means: by id, by a search, or (only if it says so) all of them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query as InQuery
from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.serving import InProject, message_ids, read_search
from pillarbox.inbox.values import Selection
from pillarbox.web.problems import Problem

__all__ = ["LONGEST_SEARCH", "MOST_IDS", "Search", "Selected", "selected"]

LONGEST_SEARCH: Final = 1_000
MOST_IDS: Final = 10_000

Search = Annotated[
    str,
    InQuery(
        max_length=LONGEST_SEARCH,
        description="In the search language, such as `to:ann subject:welcome is:unread`.",
        examples=["to:ann@example.com"],
    ),
]


class Selected(BaseModel):
    """Which mails are meant. Give one of the three."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] | None = Field(None, max_length=MOST_IDS, description="These mails.")
    query: str | None = Field(
        None, max_length=LONGEST_SEARCH, description="The messages that a search finds."
    )
    all: bool = Field(False, description="All messages (of the project).")  # noqa: FBT003 - as pydantic has it
    project: str | None = Field(None, description="Only in this project.")

    def selection(self) -> Selection:
        """Return what the inbox takes."""
        return selected(ids=self.ids, query=self.query, everything=self.all, project=self.project)


def selected(
    *, ids: list[str] | None, query: str | None, everything: bool, project: InProject
) -> Selection:
    """Return a selection.

    Raises:
        Problem: None or several of the ways to name mails were used.
    """
    ways = [ids is not None, query is not None, everything]
    if sum(ways) != 1:
        raise Problem(
            422,
            "Select the messages in exactly one way.",
            hint="Give `ids`, or `query`, or `all=true`.",
        )
    if query is not None and not query.strip():
        raise Problem(422, "The search is empty, which finds everything.", hint="Give `all=true`.")
    return Selection(
        ids=None if ids is None else message_ids(ids),
        query=None if query is None else read_search(query),
        project=project,
    )
