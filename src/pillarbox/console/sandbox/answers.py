"""Responses to actions: JSON for a script, a redirect for a form."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from pillarbox.console.sandbox.place import Place

__all__ = ["answer", "go_back"]


def answer(request: Request, said: str, *, place: Place | None = None, **more: Any) -> Response:
    """Respond with what was done.

    Args:
        request: The request.
        said: What was done, in a sentence.
        place: The list that a form without a script goes back to.
        **more: More values for a script.
    """
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"said": said, **more})
    return go_back(request, f"/{(place or Place()).query}")


def go_back(request: Request, path: str) -> Response:
    """Redirect a browser to a page, after a form's action."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", status_code=303)
