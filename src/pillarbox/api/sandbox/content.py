"""Native API: one message and all its content."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query as InQuery, Response
from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.checksums import off_the_loop
from pillarbox.api.downloads import content_disposition, download
from pillarbox.api.sandbox import models as m
from pillarbox.api.sandbox.problems import MAIL_PROBLEMS
from pillarbox.api.sandbox.shapes import (
    show_field,
    show_links,
    show_message,
    show_node,
    show_summary,
)
from pillarbox.api.serving import TheMail, TheSandbox, TheSummary
from pillarbox.inbox.values import Selection
from pillarbox.message.codes import codes_in
from pillarbox.store.ids import show_id
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/messages/{id}", tags=["A message"], responses=MAIL_PROBLEMS)
_MAIL: Final = {"content": {"message/rfc822": {}}, "description": "The mail."}
_OCTETS: Final = {"content": {"application/octet-stream": {}}, "description": "The content."}
_TEXT: Final = {"content": {"text/plain": {}}, "description": "The text."}


class Removed(BaseModel):
    """The mail that was removed, and the way back."""

    id: str
    undo: str


class State(BaseModel):
    """What to change of a mail. What is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"is_read": True, "tags": ["done"]}]}
    )

    is_read: bool | None = None
    tags: list[str] | None = Field(None, max_length=100)


@router.get("", summary="Read", operation_id="read_message")
async def read_message(
    sandbox: TheSandbox,
    summary: TheSummary,
    mail: TheMail,
    mark_read: Annotated[bool, InQuery(description="Mark it as read.")] = False,  # noqa: FBT002 - as it stands in a URL
) -> m.Message:
    """Return a mail with its texts, attachments, links and codes."""
    if mark_read and not summary.is_read:
        await sandbox.mark(Selection(ids=frozenset({summary.id})), is_read=True)
    return await off_the_loop(mail, lambda: show_message(summary, mail))


@router.patch("", summary="Mark and tag one")
async def change_message(
    sandbox: TheSandbox, summary: TheSummary, state: State
) -> m.MessageSummary:
    """Change the read state and the tags of one mail; return it."""
    selection = Selection(ids=frozenset({summary.id}))
    if state.tags is not None:
        await sandbox.set_tags(selection, state.tags)
    if state.is_read is not None:
        await sandbox.mark(selection, is_read=state.is_read)
    changed = await sandbox.summary(summary.id)
    return show_summary(changed or summary)


@router.delete("", summary="Remove one")
async def remove_message(sandbox: TheSandbox, summary: TheSummary) -> Removed:
    """Remove one mail. For some minutes it can be brought back."""
    removed = await sandbox.remove(Selection(ids=frozenset({summary.id})))
    return Removed(id=show_id(summary.id), undo=removed.undo)


@router.get("/raw", summary="Its source", response_class=Response, responses={200: _MAIL})
async def read_raw(sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Return the mail as it came, as a file that mail programs open."""
    content = await sandbox.content(summary.id)
    name = f"{show_id(summary.id)}.eml"
    return Response(
        content or b"",
        media_type="message/rfc822",
        headers={"Content-Disposition": content_disposition("attachment", name, name)},
    )


@router.get("/text", summary="Its text", response_class=Response, responses={200: _TEXT})
async def read_text(mail: TheMail) -> Response:
    """Return the plain text, decoded; empty where it has none."""
    return Response((mail.text or "").encode("utf-8", "replace"), media_type="text/plain")


@router.get("/html", summary="Its HTML source", response_class=Response, responses={200: _TEXT})
async def read_html(mail: TheMail) -> Response:
    """Return the HTML, decoded, as text: a browser does not run it. Empty where it has none."""
    return Response((mail.html or "").encode("utf-8", "replace"), media_type="text/plain")


@router.get("/headers", summary="Its header, explained")
async def read_headers(mail: TheMail) -> list[m.HeaderField]:
    """Return the fields in their order, decoded, with what each is for."""
    return [show_field(field) for field in mail.fields]


@router.get("/tree", summary="Its MIME tree")
async def read_tree(mail: TheMail) -> m.Node:
    """Return the parts, and how they are nested."""
    return await off_the_loop(mail, lambda: show_node(mail.tree))


@router.get("/links", summary="Its links")
async def read_links(mail: TheMail) -> m.Links:
    """Return all links of the HTML and of the text."""
    return await off_the_loop(mail, lambda: m.Links(links=show_links(mail)))


@router.get("/codes", summary="Its one-time codes")
async def read_codes(mail: TheMail) -> m.Codes:
    """Return what looks like a one-time code, the likeliest first."""
    return await off_the_loop(mail, lambda: m.Codes(codes=list(codes_in(mail))))


@router.get("/parts/{number}", summary="A part", response_class=Response, responses={200: _OCTETS})
async def read_part(
    mail: TheMail,
    number: Annotated[int, Path(ge=1, le=100_000, description="Of the part in the MIME tree.")],
    inline: Annotated[bool, InQuery(description="Show a picture instead of saving it.")] = False,  # noqa: FBT002 - as it stands in a URL
) -> Response:
    """Return the decoded content of a part, to be saved.

    Only PNG, JPEG, GIF, WebP, AVIF and BMP are ever shown; what a browser could run is sent as
    octets.
    """
    node = mail.part(number)
    if node is None:
        raise Problem(404, f"The message has no part {number}.")
    content = await off_the_loop(mail, lambda: node.content)
    return download(
        content,
        filename=node.filename,
        media_type=node.media_type,
        is_shown=inline,
        fallback=f"part-{number}.bin",
    )
