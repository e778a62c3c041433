"""The native API of the sandbox, below ``/api/sandbox/v1``."""

from __future__ import annotations

from fastapi import APIRouter

from pillarbox.api import documentation, health
from pillarbox.api.sandbox import (
    content,
    events,
    failures,
    information,
    ingest,
    judging,
    messages,
    projects,
    releasing,
    tags,
    testing,
    webhooks,
)
from pillarbox.api.sandbox.numbers import readiness, refresher
from pillarbox.api.sandbox.problems import VALUE_PROBLEMS
from pillarbox.api.serving import serve
from pillarbox.sandbox.service import Sandbox

__all__ = ["PREFIX", "routers"]

PREFIX = "/api/sandbox/v1"


def routers(sandbox: Sandbox) -> list[APIRouter]:
    """Return the native API, its documentation, and what probes ask."""
    parts = (
        testing.router,  # before messages: `wait` is no id
        messages.router,
        content.router,
        judging.router,
        releasing.router,
        tags.router,
        ingest.router,
        events.router,
        failures.router,
        projects.router,
        webhooks.router,
        information.router,
    )
    return [
        serve(sandbox, parts, prefix=PREFIX, responses=VALUE_PROBLEMS),
        health.router(readiness(sandbox), refresher(sandbox)),
        documentation.router(),
    ]
