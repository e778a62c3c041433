"""The live stream for pages: changes batched for a moment, so that bursts cost little."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.sandbox.changes import Change, ChangeKind
from pillarbox.sandbox.service import Sandbox
from pillarbox.store.ids import show_id
from pillarbox.web.sse import ServerSent, event_stream

__all__ = ["router"]

_GATHERED: Final = 0.2  # seconds in which changes are put together
_MOST_NAMED: Final = 200  # mails that an event names; of more, the page looks anew
_GONE: Final = frozenset({ChangeKind.DELETE, ChangeKind.PRUNE})
_ANEW: Final = frozenset({ChangeKind.RESTORE, ChangeKind.TRUNCATE, ChangeKind.RELOAD})


class _Gathered(msgspec.Struct):
    """What happened within a moment, as the page's script reads it."""

    new: int = 0
    updated: list[str] = []
    gone: list[str] = []
    anew: bool = False
    rail: bool = False

    def add(self, change: Change) -> None:
        if change.kind is ChangeKind.NEW:
            self.new += len(change.ids)
        elif change.kind is ChangeKind.UPDATE:
            self.updated += [show_id(one) for one in change.ids]
        elif change.kind in _GONE:
            self.gone += [show_id(one) for one in change.ids]
        elif change.kind in _ANEW:
            self.anew = True
        else:
            self.rail = True
        if len(self.updated) > _MOST_NAMED or len(self.gone) > 10 * _MOST_NAMED:
            self.updated, self.gone, self.anew = [], [], True


def router(sandbox: Sandbox) -> APIRouter:
    """Return the route of the channel."""
    router = APIRouter(include_in_schema=False)

    @router.get("/live")
    async def live(request: Request) -> Response:
        return event_stream(_events(sandbox), request.app.state.stopping)

    return router


async def _events(sandbox: Sandbox) -> AsyncIterator[ServerSent]:
    async with sandbox.changes.subscribe() as changes:
        yield ServerSent("{}", event="hello")
        async for change in changes:
            gathered = _Gathered()
            gathered.add(change)
            await asyncio.sleep(_GATHERED)
            for each in changes.take():
                gathered.add(each)
            yield ServerSent(msgspec.json.encode(gathered).decode())
