"""Liveness, readiness and metrics, for probes and for Prometheus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from pydantic import BaseModel

from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["Readiness", "router"]

Readiness = Callable[[], Awaitable[str]]
"""Says what is missing, "" where nothing is."""


class Health(BaseModel):
    """Yes."""

    status: str


def router(is_ready: Readiness, refresh: Callable[[Request], Awaitable[None]]) -> Router:
    """Return the routes.

    Args:
        is_ready: Asked by ``/readyz``.
        refresh: Brings the numbers up to date that are not counted as they happen.
    """
    health = Router(tags=["Health"])

    @health.get("/livez", summary="Whether it lives")
    async def livez() -> Health:
        """Answer as long as the process does anything at all."""
        return Health(status="ok")

    @health.get("/readyz", summary="Whether it is ready")
    async def readyz() -> Health:
        """Answer 200 when mail can come in and be kept, 503 while it cannot."""
        missing = await is_ready()
        if missing:
            raise Problem(503, missing, headers={"Retry-After": "1"})
        return Health(status="ok")

    @health.get("/metrics", summary="Numbers", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Return all numbers in the format of Prometheus."""
        await refresh(request)
        text, kind = request.app.state.metrics.exposition()
        return Response(text, media_type=kind)

    return health
