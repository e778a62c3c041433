"""Actions on messages: mark as read, tag, delete, restore, release.

A script gets JSON with a sentence that says what happened; a form without a script is redirected
to the page it came from.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.console.sandbox.answers import answer
from pillarbox.console.sandbox.forms import Form, read_form
from pillarbox.console.sandbox.place import Place
from pillarbox.inbox.values import Selection
from pillarbox.sandbox.service import Sandbox
from pillarbox.search.query import Query
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId
from pillarbox.web.problems import Problem

__all__ = ["router"]

_MOST_UNDONE: Final = 2_000  # mails whose change of read state or tags can be undone


def router(sandbox: Sandbox) -> APIRouter:
    """Return the routes of all actions."""
    router = APIRouter(include_in_schema=False)
    acting = _Acting(sandbox)
    for name in ("mark", "tag", "delete", "undo", "release"):
        router.post(f"/actions/{name}")(getattr(acting, name))
    return router


class _Acting:
    """Performs actions and reports the result."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def mark(self, request: Request) -> Response:
        """Mark as read or unread."""
        form = await read_form(request)
        is_read = form.text("read", "1") == "1"
        changed = await self._sandbox.mark(await self._selection(form), is_read=is_read)
        word = "read" if is_read else "unread"
        inverse = {"read": "0" if is_read else "1"}
        return _done(request, form, changed, f"marked as {word}", undo_by=("mark", inverse))

    async def tag(self, request: Request) -> Response:
        """Add and remove tags."""
        form = await read_form(request)
        add, remove = form.words("add"), form.words("remove")
        if not add and not remove:
            raise Problem(422, "Name a tag to add or remove.")
        changed = await self._sandbox.tag(await self._selection(form), add=add, remove=remove)
        inverse = {"add": ",".join(remove), "remove": ",".join(add)}
        return _done(request, form, changed, "tagged", undo_by=("tag", inverse))

    async def delete(self, request: Request) -> Response:
        """Remove messages; they can be restored for a while."""
        form = await read_form(request)
        removed = await self._sandbox.remove(await self._selection(form))
        undo = ("undo", {"undo": removed.undo}) if removed.undo else None
        return _done(request, form, removed.ids, "deleted", undo_by=undo)

    async def undo(self, request: Request) -> Response:
        """Restore removed messages."""
        form = await read_form(request)
        restored = await self._sandbox.restore(form.text("undo"))
        if not restored:
            raise Problem(410, "It is too late to undo this.")
        return _done(request, form, restored, "brought back")

    async def release(self, request: Request) -> Response:
        """Send a mail to real people."""
        form = await read_form(request)
        recipients = form.words("recipients")
        if not recipients:
            raise Problem(422, "Enter an address to release the message to.")
        said: list[str] = []
        for message in sorted(form.ids()):
            released = await self._sandbox.release(message, recipients)
            said += [
                f"{'Released to' if one.is_accepted else 'Not taken for'} {one.address}: {one.reply}"
                for one in released.recipients
            ]
        return answer(request, "; ".join(said), place=_place(form))

    async def _selection(self, form: Form) -> Selection:
        """Return the selected mails: the listed ones, or all results of a search on request."""
        if form.text("all") != "1":
            ids = form.ids()
            if not ids:
                raise Problem(422, "No message is selected.")
            return Selection(ids=ids)
        place = _place(form)
        query: Query | None = self._sandbox.query(place.q) if place.q else None
        return Selection(query=query, project=place.project)


def _done(
    request: Request,
    form: Form,
    changed: tuple[MessageId, ...],
    what: str,
    *,
    undo_by: tuple[str, dict[str, str]] | None = None,
) -> Response:
    count = len(changed)
    said = f"{count:,} {'message' if count == 1 else 'messages'} {what}"
    undo: dict[str, Any] | None = None
    if undo_by and changed:
        action, fields = undo_by
        if action == "undo":
            undo = {"action": action, "fields": fields}
        elif count <= _MOST_UNDONE:
            ids = ",".join(show_id(message) for message in changed)
            undo = {"action": action, "fields": {**fields, "ids": ids}}
    named = [show_id(message) for message in changed[:_MOST_UNDONE]]
    return answer(request, said, place=_place(form), undo=undo, ids=named)


def _place(form: Form) -> Place:
    """Return the list that a form was in."""
    return Place(form.text("project") or None, form.text("q"))
