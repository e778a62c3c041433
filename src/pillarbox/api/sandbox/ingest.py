"""Native API: importing and exporting messages as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Final

from fastapi import Query as InQuery, Request, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from pillarbox.api.sandbox.problems import problems
from pillarbox.api.sandbox.selecting import Search
from pillarbox.api.serving import InProject, TheSandbox, read_search
from pillarbox.errors import PermanentError
from pillarbox.inbox.values import Selection, Summary
from pillarbox.message.mbox import read_mbox, write_mbox
from pillarbox.sandbox.service import Sandbox
from pillarbox.search.query import Query
from pillarbox.store.ids import show_id
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router, takes_body
from pillarbox.web.settings import MIB

__all__ = ["router"]

router = Router(tags=["Files"])
_ASIDE: Final = 128 * 1024  # octets from which on writing one mail would hold up everyone else
_MAIL: Final = "message/rfc822"
_MBOX: Final = "application/mbox"
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            _MAIL: {"schema": {"type": "string", "format": "binary"}},
            _MBOX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class Ingested(BaseModel):
    """What was taken in."""

    ids: list[str]
    refused: list[str]  # why, of those that were not


@router.post(
    "/messages",
    summary="Import mail",
    openapi_extra=_BODY,
    responses=problems(_415="The body is neither a message nor an mbox file."),
)
@takes_body(110 * MIB)
async def ingest(
    request: Request,
    sandbox: TheSandbox,
    sender: Annotated[str, InQuery(max_length=320, description="Reverse-path; else From.")] = "",
    recipient: Annotated[
        list[str] | None, InQuery(max_length=100, description="Else whom the header names.")
    ] = None,
    project: InProject = None,
) -> Ingested:
    """Take in a mail (`message/rfc822`) or a file of them (`application/mbox`).

    It goes through the same door as mail by SMTP.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {_MAIL, _MBOX}:
        raise Problem(415, f"Send {_MAIL} or {_MBOX}.")
    body = await request.body()
    done = Ingested(ids=[], refused=[])
    mails = read_mbox(body) if kind == _MBOX else iter((body,))
    while (octets := await _next(mails, is_quick=len(body) < _ASIDE)) is not None:
        try:
            message = await sandbox.ingest(
                octets, reverse_path=sender, recipients=recipient or (), project=project
            )
        except PermanentError as error:
            if kind == _MAIL:
                raise
            done.refused.append(str(error))
        else:
            done.ids.append(show_id(message))
    if body and not (done.ids or done.refused):
        raise Problem(422, "There are no messages in this file: none begins with a `From ` line.")
    return done


async def _next(mails: Iterator[bytes], *, is_quick: bool) -> bytes | None:
    """Return the next mail of a file, of which one may be as large as all of it; None: no more."""
    return next(mails, None) if is_quick else await asyncio.to_thread(next, mails, None)


@router.get(
    "/dump",
    summary="Export mail",
    response_class=Response,
    responses={200: {"content": {_MBOX: {}}, "description": "An mbox file."}},
)
async def dump(
    sandbox: TheSandbox, query: Search = "", project: InProject = None
) -> StreamingResponse:
    """Return all mail that a search finds as one mbox file, oldest first, so that it comes in again
    so.
    """
    search = read_search(query) if query.strip() else None
    return StreamingResponse(
        _mbox(sandbox, search, project),
        media_type=_MBOX,
        headers={"Content-Disposition": 'attachment; filename="pillarbox.mbox"'},
    )


async def _mbox(
    sandbox: Sandbox, search: Query | None, project: str | None
) -> AsyncIterator[bytes]:
    selection = Selection(query=search, project=project)
    for message in sorted(await sandbox.inbox.matching(selection)):
        summary = await sandbox.summary(message)
        content = await sandbox.content(message)
        if summary is None or content is None:  # it is gone by now
            continue
        if len(content) < _ASIDE:
            yield _written(content, summary)
        else:
            yield await asyncio.to_thread(_written, content, summary)


def _written(content: bytes, summary: Summary) -> bytes:
    return b"".join(write_mbox([(content, summary.reverse_path, summary.at)]))
