"""Mailpit's API: lists, search, read state, deletion, tags."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request, Response
from fastapi.responses import PlainTextResponse
from msgspec import Struct, field

from pillarbox.api.answers import json_answer
from pillarbox.api.mailpit.reading import asks, bounds, describes, read_body
from pillarbox.api.mailpit.shapes import show_messages
from pillarbox.api.sandbox.selecting import LONGEST_SEARCH
from pillarbox.api.serving import TheSandbox, message_ids, read_search
from pillarbox.inbox.values import Selection
from pillarbox.sandbox.service import Sandbox
from pillarbox.search.query import Query
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router, takes_body
from pillarbox.web.settings import MIB

__all__ = ["router"]

router = Router(tags=["Mailpit: messages"])
_OK = "ok"

TheTag = Annotated[str, Path(max_length=100)]


class _Chosen(Struct, frozen=True, rename={"ids": "IDs"}):
    ids: list[str] = field(default_factory=list)


class _ReadState(Struct, frozen=True, rename={"ids": "IDs", "is_read": "Read", "search": "Search"}):
    ids: list[str] = field(default_factory=list)
    is_read: bool = False
    search: str = ""


class _Tagging(Struct, frozen=True, rename={"ids": "IDs", "tags": "Tags"}):
    ids: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class _Name(Struct, frozen=True, rename="pascal"):
    name: str = ""


@router.get("/messages", summary="List messages", openapi_extra=asks("start", "limit"))
async def list_messages(request: Request, sandbox: TheSandbox) -> Response:
    """Return messages, newest first; takes `start` and `limit`."""
    return await _list(request, sandbox, None)


@router.get(
    "/search",
    summary="Search messages",
    openapi_extra=asks("query", "start", "limit", "tz"),
)
async def search(request: Request, sandbox: TheSandbox) -> Response:
    """Return what `query` finds; takes `start`, `limit` and `tz`."""
    return await _list(request, sandbox, _search(request))


@router.put(
    "/messages",
    summary="Set read status",
    openapi_extra=describes(_ReadState),
    response_class=PlainTextResponse,
)
@takes_body(8 * MIB)
async def set_read_status(request: Request, sandbox: TheSandbox) -> str:
    """Mark messages by `IDs` or `Search` as `Read` or not; without either, all."""
    body = await read_body(request, _ReadState)
    if body.ids and body.search:
        raise Problem(400, "You may specify either IDs or a search query, not both")
    project = _project(request)
    if body.search:
        query = _read(request, body.search)
        await sandbox.mark(Selection(query=query, project=project), is_read=body.is_read)
    else:
        await sandbox.mark(_chosen(body.ids, project), is_read=body.is_read)
    return _OK


@router.delete(
    "/messages",
    summary="Delete messages",
    openapi_extra=describes(_Chosen),
    response_class=PlainTextResponse,
)
@takes_body(8 * MIB)
async def delete_messages(request: Request, sandbox: TheSandbox) -> str:
    """Delete messages by `IDs`; without them, all."""
    body = await read_body(request, _Chosen)
    await sandbox.remove(_chosen(body.ids, _project(request)))
    # MailHog answers nothing here. Its library for Node takes any answer for JSON, and can be told
    # from Mailpit's clients: it does not say what it accepts.
    return _OK if "accept" in request.headers else ""


@router.delete(
    "/search",
    summary="Delete by search",
    openapi_extra=asks("query", "tz"),
    response_class=PlainTextResponse,
)
async def delete_search(request: Request, sandbox: TheSandbox) -> str:
    """Delete what `query` finds."""
    await sandbox.remove(Selection(query=_search(request), project=_project(request)))
    return _OK


@router.get("/tags", summary="List tags")
async def list_tags(request: Request, sandbox: TheSandbox) -> Response:
    """Return the tags in use."""
    return json_answer([each.tag for each in await sandbox.tags(_project(request))])


@router.put(
    "/tags", summary="Set tags", openapi_extra=describes(_Tagging), response_class=PlainTextResponse
)
@takes_body(8 * MIB)
async def set_tags(request: Request, sandbox: TheSandbox) -> str:
    """Give messages by `IDs` these `Tags` and no others."""
    body = await read_body(request, _Tagging)
    if body.ids:
        await sandbox.set_tags(_chosen(body.ids, _project(request)), body.tags)
    return _OK


@router.put(
    "/tags/{tag:path}",
    summary="Rename a tag",
    openapi_extra=describes(_Name),
    response_class=PlainTextResponse,
)
async def rename_tag(request: Request, sandbox: TheSandbox, tag: TheTag) -> str:
    """Give a tag another `Name`."""
    body = await read_body(request, _Name)
    if not body.name.strip():
        raise Problem(400, "no tag name specified")
    await sandbox.rename_tag(tag, body.name.strip())
    return _OK


@router.delete("/tags/{tag:path}", summary="Delete a tag", response_class=PlainTextResponse)
async def delete_tag(sandbox: TheSandbox, tag: TheTag) -> str:
    """Take a tag off all messages."""
    await sandbox.rename_tag(tag, None)
    return _OK


async def _list(request: Request, sandbox: Sandbox, query: Query | None) -> Response:
    part = bounds(request)
    project = _project(request)
    page = await sandbox.find(query, project=project, start=part.start, limit=part.limit)
    shape: dict[str, Any] = show_messages(
        page,
        counts=await sandbox.inbox.counts(project),
        tags=await sandbox.tags(project),
        start=part.start,
    )
    return json_answer(shape)


def _search(request: Request) -> Query:
    text = request.query_params.get("query", "").strip()
    if not text:
        raise Problem(400, "Error: no search query")
    return _read(request, text)


def _read(request: Request, text: str) -> Query:
    if len(text) > LONGEST_SEARCH:
        raise Problem(400, f"Error: a search query has at most {LONGEST_SEARCH} characters")
    return read_search(text, request.query_params.get("tz", "")[:100])


def _chosen(ids: list[str], project: str | None) -> Selection:
    return Selection(ids=message_ids(ids) if ids else None, project=project)


def _project(request: Request) -> str | None:
    project: str | None = request.path_params.get("project")
    return project
