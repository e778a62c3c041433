"""Native API: tags."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.serving import InProject, TheSandbox
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/tags", tags=["Tags"])

TheTag = Annotated[str, Path(min_length=1, max_length=100)]


class TagUse(BaseModel):
    """A tag, and how many mails have it."""

    tag: str
    count: int


class Rename(BaseModel):
    """A tag's new name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)


class Retagged(BaseModel):
    """How many mails had the tag."""

    messages: int


@router.get("", summary="List tags")
async def list_tags(sandbox: TheSandbox, project: InProject = None) -> list[TagUse]:
    """Return the tags in use, by name."""
    return [TagUse(tag=each.tag, count=each.count) for each in await sandbox.tags(project)]


@router.put("/{tag}", summary="Rename a tag")
async def rename_tag(sandbox: TheSandbox, tag: TheTag, rename: Rename) -> Retagged:
    """Give a tag another name, on all mails; one that exists takes them in."""
    return Retagged(messages=await sandbox.rename_tag(tag, rename.name))


@router.delete("/{tag}", summary="Remove a tag")
async def remove_tag(sandbox: TheSandbox, tag: TheTag) -> Retagged:
    """Take a tag off all mails."""
    return Retagged(messages=await sandbox.rename_tag(tag, None))
