"""MailHog's read API, for its client libraries: lists in version 2, single messages in version 1.

``GET /api/v1/messages`` answers as Mailpit does: the two APIs give the same path different shapes.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from pillarbox.api.mailhog import messages
from pillarbox.api.mailpit import LINES, plain_problem
from pillarbox.api.serving import serve
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.problems import Renderer

__all__ = ["RENDERERS", "routers"]

RENDERERS: Final[dict[str, Renderer]] = {"/api/v2": plain_problem}


def routers(sandbox: Sandbox) -> list[APIRouter]:
    """Return the API."""
    return [serve(sandbox, (messages.router,), responses=LINES)]
