"""The one HTTP application of a node; interfaces and pages are routers passed to it.

    application = make_application(routers=[...], on_defect=..., settings=...)
    server = WebServer(application, sockets)
    await server.start()

``application.state`` has ``metrics`` (``WebMetrics``) and ``stopping`` (an event that live
streams watch). Errors become RFC 9457 problems; an interface with another form gives a renderer
for its prefix.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Match

from pillarbox.errors import PillarboxError
from pillarbox.web.guard import Duties, Guard
from pillarbox.web.metrics import WebMetrics
from pillarbox.web.problems import Problem, Renderer, problem_of, problem_response
from pillarbox.web.settings import WebSettings

__all__ = ["make_application"]

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HANDLED: Final = (Problem, HTTPException, RequestValidationError, PillarboxError)


def make_application(
    *,
    routers: Sequence[APIRouter],
    on_defect: Callable[[BaseException], None],
    settings: WebSettings | None = None,
    renderers: Mapping[str, Renderer] | None = None,
    description: str = "",
) -> FastAPI:
    """Build an application.

    Args:
        routers: Its routes, in matching order.
        on_defect: Called with unexpected errors.
        settings: Its location, access rules and limits.
        renderers: How problems are rendered below a path prefix; the longest matching prefix wins.
        description: Its description in the OpenAPI document (Markdown).
    """
    settings = settings or WebSettings()
    metrics = WebMetrics()
    render = _Renderers(renderers or {}, settings.webroot)
    application = FastAPI(
        title=settings.title,
        version=settings.version or "0",
        description=description,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # a router of the API serves it, with the webroot in it
        redirect_slashes=False,
        strict_content_type=True,
    )
    application.state.metrics = metrics
    application.state.settings = settings
    application.state.stopping = asyncio.Event()

    async def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem is None:  # not one of those handled below
            raise error
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers = {"Allow": _allowed(request)}
        return render(request, problem)

    for kind in _HANDLED:
        application.add_exception_handler(kind, answer)
    for router in routers:
        application.include_router(router)
    duties = Duties(settings=settings, metrics=metrics, render=render, on_defect=on_defect)
    application.add_middleware(Guard, duties)
    return application


def _allowed(request: Request) -> str:
    """Return the methods that a path allows, over all routes (RFC 9110 §15.5.6)."""
    routes, scope = request.app.routes, request.scope
    found = [
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ", ".join(["HEAD", *found] if "GET" in found else found)


class _Renderers:
    """Chooses how to render a problem."""

    def __init__(self, renderers: Mapping[str, Renderer], webroot: str) -> None:
        longest_first = sorted(renderers.items(), key=lambda item: -len(item[0]))
        self._renderers = tuple(longest_first)
        self._webroot = webroot

    def __call__(self, connection: HTTPConnection, problem: Problem) -> Response:
        path = connection.scope["path"].removeprefix(self._webroot)
        for prefix, renderer in self._renderers:
            if path.startswith(prefix):
                return renderer(connection, problem)
        return problem_response(connection, problem)
