"""Mailpit's API: one message, its parts, its checks, and its release."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Path, Request, Response
from fastapi.responses import PlainTextResponse
from msgspec import Struct, field

from pillarbox.api.answers import json_answer
from pillarbox.api.checksums import off_the_loop
from pillarbox.api.downloads import SHOWN_TYPES, content_disposition, download
from pillarbox.api.mailpit.checks import show_html_check, show_link_check, show_spam_check
from pillarbox.api.mailpit.placeholder import placeholder
from pillarbox.api.mailpit.reading import TheMail, TheSummary, asks, describes, read_body
from pillarbox.api.mailpit.shapes import show_headers, show_message
from pillarbox.api.sandbox.judging import read_session as read_native_session
from pillarbox.api.sandbox.shapes import show_links
from pillarbox.api.serving import TheSandbox
from pillarbox.inbox.values import Selection
from pillarbox.message.codes import codes_in
from pillarbox.message.tree import Node
from pillarbox.store.ids import show_id
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/message/{id}", tags=["Mailpit: a message"])

_LARGEST_THUMBNAIL: Final = 256 * 1024  # octets that are sent as they are
PartId = Annotated[str, Path(max_length=20)]


class _Release(Struct, frozen=True, rename="pascal"):
    to: list[str] = field(default_factory=list)


@router.get("", summary="Read a message")
async def read_message(sandbox: TheSandbox, summary: TheSummary, mail: TheMail) -> Response:
    """Return a message, and mark it as read."""
    if not summary.is_read:
        await sandbox.mark(Selection(ids=frozenset({summary.id})), is_read=True)
    shape: dict[str, Any] = await off_the_loop(mail, lambda: show_message(summary, mail))
    return json_answer(shape)


@router.get("/headers", summary="Its headers")
async def read_headers(mail: TheMail) -> Response:
    """Return the values of each field."""
    return json_answer(show_headers(mail.fields))


@router.get(
    "/raw",
    summary="Its source",
    openapi_extra=asks("dl"),
    response_class=PlainTextResponse,
)
async def read_raw(request: Request, sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Return the source as text; with `dl=1` as a file."""
    content = await sandbox.content(summary.id)
    headers = {}
    if request.query_params.get("dl") == "1":
        name = f"{show_id(summary.id)}.eml"
        headers["Content-Disposition"] = content_disposition("attachment", name, name)
    return Response(content or b"", media_type="text/plain", headers=headers)


@router.get("/part/{part}", summary="A part", response_class=Response)
async def read_part(mail: TheMail, part: PartId) -> Response:
    """Return a part; pictures of safe types may be shown, all else is saved."""
    node = _node(mail.tree, part)
    content = await off_the_loop(mail, lambda: node.content)
    return download(
        content,
        filename=node.filename or node.content_id,
        media_type=node.media_type,
        is_shown=True,
    )


@router.get("/part/{part}/thumb", summary="A thumbnail", response_class=Response)
async def read_thumbnail(mail: TheMail, part: PartId) -> Response:
    """Return a small picture as it is, and a sign of a picture in place of a large one.

    Nothing is decoded here: a picture of a few octets may be one of a billion pixels.
    """
    node = _node(mail.tree, part)
    if node.media_type in SHOWN_TYPES:
        content = await off_the_loop(mail, lambda: node.content)
        if len(content) <= _LARGEST_THUMBNAIL:
            return download(content, filename="", media_type=node.media_type, is_shown=True)
    return Response(placeholder(), media_type="image/png")


@router.get("/html-check", summary="How clients show it")
async def check_html(sandbox: TheSandbox, summary: TheSummary, mail: TheMail) -> Response:
    """Return which features of the HTML mail clients do not know."""
    if not mail.html:
        raise Problem(400, "message does not contain HTML")
    assessment = await sandbox.assess(summary.id)
    if assessment is None:
        raise Problem(404, "message not found")
    return json_answer(show_html_check(assessment.clients))


@router.get("/link-check", summary="Whether its links answer", openapi_extra=asks("follow"))
async def check_links(request: Request, sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Ask for the links of a message, at public addresses only."""
    assessment = await sandbox.assess(summary.id, follow_links=True)
    if assessment is None:
        raise Problem(404, "message not found")
    follows = request.query_params.get("follow") in {"true", "1"}
    return json_answer(show_link_check(assessment.links or (), follows=follows))


@router.get("/sa-check", summary="What SpamAssassin says")
async def check_spam(sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Return the verdict of the content filter that is configured."""
    assessment = await sandbox.assess(summary.id)
    if assessment is None or not assessment.spam:
        raise Problem(400, "no content filter is configured")
    return json_answer(show_spam_check(assessment.spam[0]))


@router.post(
    "/release",
    summary="Release a message",
    openapi_extra=describes(_Release),
    response_class=PlainTextResponse,
)
async def release(request: Request, sandbox: TheSandbox, summary: TheSummary) -> str:
    """Send a message to real people by the relay, where one is configured."""
    body = await read_body(request, _Release)
    if not body.to:
        raise Problem(400, "no valid recipients specified")
    await sandbox.release(summary.id, body.to)
    return "ok"


@router.get("/links", summary="Its links (not in Mailpit)")
async def read_links(mail: TheMail) -> Response:
    """Return all links."""
    links = await off_the_loop(mail, lambda: show_links(mail))
    return json_answer({"Links": [{"URL": link.url, "Text": link.text} for link in links]})


@router.get("/codes", summary="Its one-time codes (not in Mailpit)")
async def read_codes(mail: TheMail) -> Response:
    """Return what looks like a one-time code, the likeliest first."""
    return json_answer({"Codes": await off_the_loop(mail, lambda: list(codes_in(mail)))})


@router.get("/session", summary="How it came (not in Mailpit)")
async def read_session(sandbox: TheSandbox, summary: TheSummary) -> Response:
    """Return the SMTP session that brought it, in the shape of the native API."""
    return json_answer((await read_native_session(sandbox, summary)).model_dump())


def _node(tree: Node, part: str) -> Node:
    number = int(part) if part.isdecimal() else 0
    found = next((node for node in tree.walk() if node.number == number), None)
    if found is None:
        raise Problem(404, "no such part")
    return found
