"""MailHog's read API, versions 1 (one message) and 2 (lists)."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from msgspec import Struct

from pillarbox.api.answers import json_answer
from pillarbox.api.checksums import off_the_loop
from pillarbox.api.downloads import content_disposition, download
from pillarbox.api.mailhog.shapes import show_message, show_messages
from pillarbox.api.mailpit.reading import TheMail, TheSummary, asks, bounds, describes, read_body
from pillarbox.api.serving import TheSandbox
from pillarbox.inbox.values import Selection, Summary
from pillarbox.sandbox.service import Sandbox
from pillarbox.search.query import Query, Term, Word
from pillarbox.store.ids import show_id
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(tags=["MailHog"])
_MOST = 250  # whole messages in one answer
_KINDS = {"from": Word.FROM, "to": Word.TO, "containing": Word.ANY}


class _Smtp(Struct, frozen=True):
    email: str = ""


@router.get("/api/v2/messages", summary="List messages", openapi_extra=asks("start", "limit"))
async def list_messages(request: Request, sandbox: TheSandbox) -> Response:
    """Return messages, newest first; takes `start` and `limit`."""
    return await _list(request, sandbox, None)


@router.get("/api/v2/search", summary="Search messages", openapi_extra=asks("start", "limit"))
async def search(
    request: Request, sandbox: TheSandbox, kind: str = "containing", query: str = ""
) -> Response:
    """Return messages whose sender (`from`), recipient (`to`) or content says `query`."""
    word = _KINDS.get(kind)
    if word is None:
        raise Problem(400, f"{kind!r} is none of from, to, containing")
    return await _list(request, sandbox, Query(terms=(Term(word, query[:1_000], is_phrase=True),)))


@router.get("/api/v1/messages/{id}", summary="Read a message")
async def read_message(sandbox: TheSandbox, summary: TheSummary, mail: TheMail) -> Response:
    """Return a message as it came."""
    content = await sandbox.content(summary.id) or b""
    return json_answer(await off_the_loop(mail, lambda: show_message(summary, mail, content)))


@router.delete("/api/v1/messages/{id}", summary="Delete a message", response_class=Response)
async def delete_message(sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Delete one message."""
    await sandbox.remove(Selection(ids=frozenset({summary.id})))
    return Response()


@router.get("/api/v1/messages/{id}/download", summary="Its source", response_class=Response)
async def read_source(sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Return a message as a file."""
    name = f"{show_id(summary.id)}.eml"
    headers = {"Content-Disposition": content_disposition("attachment", name, name)}
    content = await sandbox.content(summary.id) or b""
    return Response(content, media_type="message/rfc822", headers=headers)


@router.get(
    "/api/v1/messages/{id}/mime/part/{part}/download", summary="A part", response_class=Response
)
async def read_part(mail: TheMail, part: int) -> Response:
    """Return a part at the top of a message (from 0) as a file."""
    parts = mail.tree.children
    if not 0 <= part < len(parts):
        raise Problem(404, "no such part")
    content = await off_the_loop(mail, lambda: parts[part].content)
    return download(content, filename=parts[part].filename, media_type=parts[part].media_type)


@router.post(
    "/api/v1/messages/{id}/release",
    summary="Release",
    response_class=Response,
    openapi_extra=describes(_Smtp),
)
async def release(request: Request, sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Send a message to `email` by our relay; a host that the client names is not used."""
    body = await read_body(request, _Smtp)
    await sandbox.release(summary.id, [body.email])
    return Response()


async def _list(request: Request, sandbox: Sandbox, query: Query | None) -> Response:
    part = bounds(request)
    page = await sandbox.find(query, start=part.start, limit=min(part.limit, _MOST))
    items = [item for summary in page.summaries if (item := await _item(sandbox, summary))]
    return json_answer(show_messages(items, total=page.total, start=part.start))


async def _item(sandbox: Sandbox, summary: Summary) -> dict[str, Any] | None:
    mail, content = await sandbox.mail(summary.id), await sandbox.content(summary.id)
    if mail is None or content is None:  # removed in this moment
        return None
    return await off_the_loop(mail, lambda: show_message(summary, mail, content))
