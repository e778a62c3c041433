"""An API compatible with Mailpit's, below ``/api/v1``.

It is also served below ``/in/{project}``, so that a client can be confined to one project by its
base URL alone: ``http://localhost:8025/in/shop``.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.requests import HTTPConnection
from starlette.responses import Response

from pillarbox.api.mailpit import application, events, message, messages, sending, waiting
from pillarbox.api.serving import serve
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.problems import Problem, Renderer
from pillarbox.web.routing import Router

__all__ = ["IN_PROJECT", "LINES", "PREFIX", "RENDERERS", "plain_problem", "routers"]

PREFIX: Final = "/api/v1"
IN_PROJECT: Final = "/in/{project}"
_PARTS: Final = (
    messages.router,
    waiting.router,
    sending.router,
    application.router,
    message.router,
)
LINES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "A line of text that says why.", "content": {"text/plain": {}}}
}
"""How the document describes errors of Mailpit's and MailHog's interfaces."""

_KEPT_STATUS: Final = frozenset({401, 403, 405, 408, 413, 421, 429, 500, 503})


def routers(sandbox: Sandbox) -> list[APIRouter]:
    """Return the API, over all projects and in one of them."""
    found: list[APIRouter] = []
    for place in ("", IN_PROJECT):
        api = Router(prefix=PREFIX, include_in_schema=not place, responses=LINES)
        for part in _PARTS:
            api.include_router(part)
        found.append(serve(sandbox, (api, events.router), prefix=place))
    return found


def plain_problem(connection: HTTPConnection, problem: Problem) -> Response:
    """Return a problem as Mailpit tells it: a line of text, and 400 for most."""
    if problem.status_code == 404:  # noqa: PLR2004 - the status itself
        return PlainTextResponse("404 page not found", 404)
    status = problem.status_code if problem.status_code in _KEPT_STATUS else 400
    headers = dict(problem.headers or {})
    if connection.scope["path"].endswith("/send"):
        return JSONResponse({"Error": str(problem.detail)}, status, headers)
    return PlainTextResponse(str(problem.detail), status, headers)


RENDERERS: Final[dict[str, Renderer]] = {PREFIX: plain_problem, "/in/": plain_problem}
