"""Native API: the list of messages, and changes to many of them at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query as InQuery
from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.sandbox import models as m
from pillarbox.api.sandbox.problems import SEARCH_PROBLEMS, problems
from pillarbox.api.sandbox.selecting import LONGEST_SEARCH, MOST_IDS, Search, Selected, selected
from pillarbox.api.sandbox.shapes import show_list
from pillarbox.api.serving import InProject, TheSandbox, read_id, read_search
from pillarbox.inbox.values import Selection
from pillarbox.sandbox.service import Sandbox
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(tags=["Messages"])


class Changes(Selected):
    """What to change of which mails. What is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"query": "is:unread", "is_read": True}]},
    )

    is_read: bool | None = None
    tags: list[str] | None = Field(None, max_length=100, description="These, and no others.")
    add_tags: list[str] = Field([], max_length=100)
    remove_tags: list[str] = Field([], max_length=100)


class Changed(BaseModel):
    """The mails that are now different."""

    changed: list[str]


class Removal(BaseModel):
    """What was removed, and the way back."""

    removed: int
    ids: list[str]
    undo: str = Field(description="Give it to `/messages/restore` to bring them back.")


class Restore(BaseModel):
    """What to bring back."""

    model_config = ConfigDict(extra="forbid")

    undo: str = Field(max_length=200)


class Restored(BaseModel):
    """What came back."""

    restored: int
    ids: list[str]


@router.get(
    "/messages",
    summary="List or search",
    responses={**SEARCH_PROBLEMS, **problems(_404="`before` names no existing message.")},
)
async def list_messages(
    sandbox: TheSandbox,
    query: Search = "",
    project: InProject = None,
    limit: Annotated[int, InQuery(ge=1, le=500, description="Maximum number to return.")] = 50,
    start: Annotated[int, InQuery(ge=0, le=10_000_000, description="Number to skip.")] = 0,
    before: Annotated[
        str | None,
        InQuery(max_length=64, description="Only mail after this one in the list (`next`)."),
    ] = None,
) -> m.MessageList:
    """Return mails, newest first, that a search finds; without one, all."""
    page = await sandbox.find(
        read_search(query) if query.strip() else None,
        project=project,
        limit=limit,
        start=start,
        before=None if before is None else read_id(before),
    )
    return show_list(page)


@router.patch("/messages", summary="Mark and tag", responses=SEARCH_PROBLEMS)
async def change_messages(sandbox: TheSandbox, changes: Changes) -> Changed:
    """Change the read state and the tags of mails."""
    return await _change(sandbox, changes.selection(), changes)


@router.delete("/messages", summary="Remove", responses=SEARCH_PROBLEMS)
async def remove_messages(
    sandbox: TheSandbox,
    id: Annotated[  # noqa: A002 - as it stands in a URL
        list[str] | None, InQuery(max_length=MOST_IDS, description="These mails.")
    ] = None,
    query: Annotated[
        str | None,
        InQuery(
            max_length=LONGEST_SEARCH,
            description="Messages that a search finds.",
            examples=["subject:welcome"],
        ),
    ] = None,
    all: Annotated[bool, InQuery(description="All messages (of the project).")] = False,  # noqa: A002, FBT002 - as it stands in a URL
    project: InProject = None,
) -> Removal:
    """Remove mails. For some minutes they can be brought back."""
    selection = selected(ids=id, query=query, everything=all, project=project)
    removed = await sandbox.remove(selection)
    return Removal(removed=len(removed.ids), ids=_shown(removed.ids), undo=removed.undo)


@router.post("/messages/restore", summary="Undo a removal")
async def restore_messages(sandbox: TheSandbox, restore: Restore) -> Restored:
    """Bring back what was removed."""
    ids = await sandbox.restore(restore.undo)
    return Restored(restored=len(ids), ids=_shown(ids))


async def _change(sandbox: Sandbox, selection: Selection, changes: Changes) -> Changed:
    retags = bool(changes.add_tags or changes.remove_tags)
    if sum((changes.tags is not None, retags, changes.is_read is not None)) > 1:
        selection = await _fixed(sandbox, selection)  # the first may change what is found next
    changed: set[MessageId] = set()
    if changes.tags is not None:
        changed.update(await sandbox.set_tags(selection, changes.tags))
    if retags:
        changed.update(
            await sandbox.tag(selection, add=changes.add_tags, remove=changes.remove_tags)
        )
    if changes.is_read is not None:
        changed.update(await sandbox.mark(selection, is_read=changes.is_read))
    return Changed(changed=_shown(sorted(changed)))


async def _fixed(sandbox: Sandbox, selection: Selection) -> Selection:
    """Return the ids that a search finds now."""
    if selection.query is None:
        return selection
    ids = await sandbox.inbox.matching(selection)
    return Selection(ids=ids, project=selection.project)


def _shown(ids: tuple[MessageId, ...] | list[MessageId]) -> list[str]:
    return [show_id(each) for each in ids]
