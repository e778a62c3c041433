"""Waiting for a message: an addition to Mailpit's API that its users ask for."""

from __future__ import annotations

from fastapi import Request, Response

from pillarbox.api.answers import json_answer
from pillarbox.api.checksums import off_the_loop
from pillarbox.api.mailpit.shapes import show_message
from pillarbox.api.sandbox.testing import LONGEST_WAIT, wait_for_message
from pillarbox.api.serving import TheSandbox
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(tags=["Mailpit: messages"])


@router.get("/wait", summary="Wait for a message (not in Mailpit)")
async def wait(
    request: Request,
    sandbox: TheSandbox,
    query: str = "",
    timeout: float = 10.0,  # noqa: ASYNC109 - it is what callers mean
) -> Response:
    """Return the newest message that a search finds, as soon as there is one; else 408."""
    summary = await wait_for_message(
        request,
        sandbox,
        query,
        project=request.path_params.get("project"),
        timeout=min(max(timeout, 0.0), LONGEST_WAIT),
    )
    mail = await sandbox.mail(summary.id)
    if mail is None:
        raise Problem(404, "message not found")
    return json_answer(await off_the_loop(mail, lambda: show_message(summary, mail)))
