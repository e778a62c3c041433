"""Native API: live events (server-sent events).

Changes are numbered and the latest are retained, so that a client that lost its connection
resumes where it was (``Last-Event-ID``). One that was away too long is told to ``reload``.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncGenerator
from typing import Annotated, Final
from weakref import WeakKeyDictionary

from fastapi import Header, Request, Response
from starlette.responses import StreamingResponse

from pillarbox.api.sandbox.models import Event
from pillarbox.api.sandbox.shapes import show_summary
from pillarbox.api.serving import InProject, TheSandbox
from pillarbox.sandbox.changes import Change, Changes
from pillarbox.sandbox.service import Sandbox
from pillarbox.store.ids import show_id
from pillarbox.web.routing import Router
from pillarbox.web.sse import ServerSent, event_stream

__all__ = ["EventBook", "router"]

router = Router(tags=["The sandbox"])
_KEPT: Final = 500
_STREAM: Final = {"content": {"text/event-stream": {}}, "description": "Events, one after another."}


class EventBook:
    """The last changes, numbered, for all streams of a sandbox."""

    def __init__(self, changes: Changes) -> None:
        """Begin to listen."""
        self._changes = changes
        self._edition = secrets.token_hex(4)  # numbers of another process mean nothing here
        self._entries: deque[tuple[int, Change]] = deque(maxlen=_KEPT)
        self._last = 0
        # Read when somebody wants to know; what was not read by then is one RELOAD.
        self._subscription = changes.subscribe()
        self._subscription.__enter__()

    async def read(self, last_id: str, project: str | None) -> AsyncGenerator[ServerSent, None]:
        """Yield changes after the one that ``last_id`` names; without a name, from now on."""
        async with self._changes.subscribe() as wake:
            self._absorb()
            position = self._position(last_id)
            if position is None:
                position = self._last
                yield ServerSent(_RELOAD, "reload", self._id(position))
            while True:
                for number, change in tuple(self._entries):
                    if number > position and (shown := _show(change, project)) is not None:
                        yield ServerSent(shown, change.kind.value, self._id(number))
                position = self._last
                await anext(wake)
                wake.take()
                self._absorb()

    def _absorb(self) -> None:
        for change in self._subscription.take():
            self._last += 1
            self._entries.append((self._last, change))

    def _position(self, last_id: str) -> int | None:
        """Return the number after which to go on; None where it is not known any more."""
        if not last_id:
            return self._last
        edition, _, number = last_id.partition("-")
        if edition != self._edition or not number.isdecimal() or len(number) > _MOST_DIGITS:
            return None
        oldest = self._entries[0][0] if self._entries else self._last + 1
        return int(number) if oldest - 1 <= int(number) <= self._last else None

    def _id(self, number: int) -> str:
        return f"{self._edition}-{number}"


_BOOKS: Final[WeakKeyDictionary[Sandbox, EventBook]] = WeakKeyDictionary()
_RELOAD: Final = Event(kind="reload", project=None, ids=[], messages=[]).model_dump_json(
    by_alias=True
)
_MOST_DIGITS: Final = 15


@router.get("/events", summary="Live events", response_class=Response, responses={200: _STREAM})
async def stream_events(
    request: Request,
    sandbox: TheSandbox,
    project: InProject = None,
    last_event_id: Annotated[
        str, Header(max_length=64, description="The id of the last event that was read.")
    ] = "",
) -> StreamingResponse:
    """Tell what happens: `new`, `update`, `delete`, `restore`, `prune`, `truncate`, `rules`,
    `projects`; and `reload` to look anew. The data of each is an Event.
    """
    book = _book(sandbox)
    return event_stream(book.read(last_event_id, project), request.app.state.stopping)


def _book(sandbox: Sandbox) -> EventBook:
    book = _BOOKS.get(sandbox)
    if book is None:
        book = _BOOKS[sandbox] = EventBook(sandbox.changes)
    return book


def _show(change: Change, project: str | None) -> str | None:
    """Return what a stream of a project is told; None where it is nothing to it."""
    if project is not None and change.project not in {None, project}:
        return None
    rows = [
        summary for summary in change.summaries if project is None or summary.project == project
    ]
    if change.summaries and not rows:
        return None
    ids = [summary.id for summary in rows] or change.ids
    return Event(
        kind=change.kind.value,
        project=change.project,
        ids=[show_id(each) for each in ids],
        messages=[show_summary(summary) for summary in rows],
    ).model_dump_json(by_alias=True)
