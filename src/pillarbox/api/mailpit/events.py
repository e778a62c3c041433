"""Mailpit's live events over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from fastapi import WebSocket, WebSocketDisconnect

from pillarbox.api.mailpit.shapes import show_summary
from pillarbox.api.serving import TheSandbox
from pillarbox.inbox.values import Summary
from pillarbox.sandbox.changes import Change, ChangeKind, Subscription
from pillarbox.sandbox.service import Sandbox
from pillarbox.store.ids import show_id
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router()
_MOST_UPDATES: Final = 100  # of one change; more is one request to look anew
_GOING_AWAY: Final = 1001


@router.websocket("/api/events")
async def stream_events(socket: WebSocket, sandbox: TheSandbox) -> None:
    """Send a frame for each thing that happens, and totals after it."""
    await socket.accept()
    async with sandbox.changes.subscribe() as changes:
        tasks = [
            asyncio.ensure_future(work)
            for work in (
                _tell(socket, sandbox, changes),
                _wait_for_end(socket),
                socket.app.state.stopping.wait(),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if socket.app.state.stopping.is_set():
            await socket.close(_GOING_AWAY)


async def _tell(socket: WebSocket, sandbox: Sandbox, changes: Subscription) -> None:
    project = socket.path_params.get("project")
    async for first in changes:
        for change in (first, *changes.take()):
            for frame in await _frames(sandbox, change, project):
                await socket.send_text(json.dumps(frame))
        counts = await sandbox.inbox.counts(project)
        version = (await sandbox.info()).version
        totals = {"Total": counts.total, "Unread": counts.unread, "Version": version}
        await socket.send_text(json.dumps({"Type": "stats", "Data": totals}))


async def _frames(sandbox: Sandbox, change: Change, project: str | None) -> list[dict[str, Any]]:
    if project is not None and change.project not in {None, project}:
        return []
    match change.kind:
        case ChangeKind.NEW:
            rows = [row for row in change.summaries if project in {None, row.project}]
            return [{"Type": "new", "Data": show_summary(row)} for row in rows]
        case ChangeKind.DELETE if len(change.ids) <= _MOST_UPDATES:
            return [{"Type": "delete", "Data": {"ID": show_id(each)}} for each in change.ids]
        case ChangeKind.UPDATE if len(change.ids) <= _MOST_UPDATES:
            found = [await sandbox.summary(each) for each in change.ids]
            return [{"Type": "update", "Data": _update(row)} for row in found if row is not None]
        case ChangeKind.TRUNCATE:
            return [{"Type": "truncate", "Data": None}]
        case ChangeKind.RULES | ChangeKind.PROJECTS:
            return []
        case _:  # look anew
            return [{"Type": "prune", "Data": None}]


def _update(summary: Summary) -> dict[str, Any]:
    return {"ID": show_id(summary.id), "Read": summary.is_read, "Tags": list(summary.tags)}


async def _wait_for_end(socket: WebSocket) -> None:
    try:
        while True:
            await socket.receive_text()  # clients have nothing to say
    except (WebSocketDisconnect, KeyError):
        return
