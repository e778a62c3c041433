"""Responses to actions: JSON for a script, a redirect for a form."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from pillarbox.console.sandbox.place import Place

__all__ = ["answer", "go_back"]


def answer(request: Request, said: str, *, place: Place | None = None, **more: Any) -> Response:
    """Say what was done.

    Args:
        request: Who asks.
        said: It, in a sentence.
        place: The list that a form without a script goes back to.
        **more: What a script is told besides.
    """
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"said": said, **more})
    return go_back(request, f"/{(place or Place()).query}")


def go_back(request: Request, path: str) -> Response:
    """Send a browser to a page, after what a form did."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", status_code=303)
