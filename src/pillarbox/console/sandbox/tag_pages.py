"""The page of tags and saved searches: rename, recolor, delete."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.console.sandbox.answers import answer, go_back
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.forms import read_form
from pillarbox.console.sandbox.hues import HUES
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.errors import PermanentError

__all__ = ["router"]

_PATH = "/tags"


def router(desk: Desk) -> APIRouter:
    """Return the routes of tags and saved searches."""
    router = APIRouter(include_in_schema=False)
    labels = _Tags(desk)
    router.get(_PATH)(labels.page)
    router.post(_PATH)(labels.change)
    router.post("/tags/remove")(labels.remove)
    router.post("/searches")(labels.save_search)
    router.post("/searches/remove")(labels.remove_search)
    return router


class _Tags:
    """Changes tags and saved searches."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, request: Request) -> Response:
        """All of them."""
        return await self._page(request)

    async def change(self, request: Request) -> Response:
        """Rename or recolor a tag."""
        form = await read_form(request)
        old, new = form.text("tag"), form.text("name")
        try:
            if new and new != old:
                await self._desk.sandbox.rename_tag(old, new)
                await self._desk.hues.choose(old, None)
        except PermanentError as error:
            return await self._page(request, problem=str(error))
        await self._desk.hues.choose(new or old, int(form.number("hue")) % HUES)
        return go_back(request, _PATH)

    async def remove(self, request: Request) -> Response:
        """Remove a tag from all mails."""
        form = await read_form(request)
        await self._desk.sandbox.rename_tag(form.text("tag"), None)
        await self._desk.hues.choose(form.text("tag"), None)
        return go_back(request, _PATH)

    async def save_search(self, request: Request) -> Response:
        """Save a search under a name, by default its own text."""
        form = await read_form(request)
        place = Place(form.text("project") or None, form.text("q"))
        self._desk.sandbox.query(place.q)  # an invalid search is not saved
        await self._desk.searches.put(form.text("name", place.q[:100]), place)
        return answer(request, "Saved; see the sidebar", place=place)

    async def remove_search(self, request: Request) -> Response:
        """Delete a saved search."""
        form = await read_form(request)
        await self._desk.searches.remove(form.text("name"))
        return go_back(request, _PATH)

    async def _page(self, request: Request, *, problem: str = "") -> Response:
        shell = await make_shell(self._desk, Place(), "tags")
        tags = await self._desk.sandbox.tags()
        return self._desk.pages.page(
            request,
            "sandbox/tags.html",
            status=422 if problem else 200,
            shell=shell,
            tags=[self._desk.hues.entry(tag.tag, tag.count) for tag in tags],
            hues=range(HUES),
            problem=problem,
        )
