"""The pages of the sandbox."""

from __future__ import annotations

from fastapi import APIRouter

from pillarbox.console.sandbox import (
    actions,
    compare_pages,
    frames,
    inbox_pages,
    live,
    new_pages,
    rule_pages,
    settings_pages,
    setup_pages,
    tag_pages,
    webhook_pages,
)
from pillarbox.console.sandbox.desk import Desk
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.assets import static_router

__all__ = ["routers"]


def routers(sandbox: Sandbox) -> list[APIRouter]:
    """Return the routes of all pages, in matching order."""
    desk = Desk.at(sandbox)
    return [
        static_router(),
        frames.router(desk),
        inbox_pages.router(desk),
        live.router(sandbox),
        actions.router(sandbox),
        setup_pages.router(desk),
        rule_pages.router(desk),
        webhook_pages.router(desk),
        new_pages.router(desk),
        tag_pages.router(desk),
        compare_pages.router(desk),
        settings_pages.router(desk),
    ]
