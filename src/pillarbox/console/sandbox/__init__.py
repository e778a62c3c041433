"""The pages of the sandbox: what is caught, looked at."""

from __future__ import annotations

from fastapi import APIRouter

from pillarbox.console.sandbox import (
    actions,
    frames,
    inbox_pages,
    live,
    rule_pages,
    setup_pages,
    webhook_pages,
)
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.assets import static_router
from pillarbox.web.pages import Pages

__all__ = ["routers"]


def routers(sandbox: Sandbox) -> list[APIRouter]:
    """Return the routes of all pages, in the order in which they are looked for."""
    pages = Pages("pillarbox.console")
    return [
        static_router(),
        frames.router(sandbox, pages),
        inbox_pages.router(sandbox, pages),
        live.router(sandbox),
        actions.router(sandbox),
        setup_pages.router(sandbox, pages),
        rule_pages.router(sandbox, pages),
        webhook_pages.router(sandbox, pages),
    ]
