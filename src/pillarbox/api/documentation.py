"""The OpenAPI document and a page that renders it; nothing is loaded from another host."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from pillarbox.api.reference import read_reference
from pillarbox.web.pages import Pages
from pillarbox.web.routing import Router

__all__ = ["router"]

_PAGES: Final = Pages("pillarbox.api")


def router() -> Router:
    """Return the routes."""
    routes = Router(include_in_schema=False)

    @routes.get("/openapi.json")
    async def openapi(request: Request) -> JSONResponse:
        """Return the document, with the place where this application is."""
        return JSONResponse(_document(request))

    @routes.get("/api/docs")
    async def docs(request: Request) -> HTMLResponse:
        """Return the document as a page."""
        document = _document(request)
        base = str(request.base_url).rstrip("/")
        return _PAGES.page(request, "api.html", reference=read_reference(document, base))

    return routes


def _document(request: Request) -> dict[str, Any]:
    application: FastAPI = request.app
    document = application.openapi()
    return {**document, "servers": [{"url": request.scope.get("root_path") or "/"}]}
