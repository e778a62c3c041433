"""New messages by hand: composed on a page, made from a sample, or uploaded as files."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.console.sandbox.answers import answer
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.forms import Form, read_form
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.posting import SAMPLES, post, sample, write
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.console.sandbox.uploads import parts_of
from pillarbox.errors import PillarboxError
from pillarbox.message.mbox import read_mbox
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router, takes_body
from pillarbox.web.settings import MIB

__all__ = ["router"]

_LARGEST: Final = 110 * MIB  # as the API takes
_SHOWN_REASONS: Final = 3
_MBOX: Final = b"From "
_FILE: Final = "files"


def router(desk: Desk) -> APIRouter:
    """Return the routes of new mail."""
    router = Router(include_in_schema=False)
    new = _NewMail(desk)
    router.get("/new")(new.page)
    router.post("/new")(new.send)
    router.post("/new/sample")(new.send_sample)
    router.post("/new/files")(new.bring)
    return router


class _NewMail:
    """Makes mail."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, request: Request) -> Response:
        """A form to write a mail, the samples, and a place for files."""
        return await self._page(request)

    async def send(self, request: Request) -> Response:
        """Send what was written."""
        form = await read_form(request)
        try:
            letter = write(
                sender=form.text("from"),
                recipients=form.words("to"),
                subject=form.text("subject"),
                text=form.text("text"),
                html=form.text("html"),
                now=self._desk.sandbox.clock.now(),
            )
            said = await post(self._desk, letter)
        except PillarboxError as error:
            return await self._page(request, problem=str(error), form=form)
        return answer(request, f"Sent: {said}")

    async def send_sample(self, request: Request) -> Response:
        """Send one of the samples."""
        form = await read_form(request)
        letter = sample(form.text("name"), self._desk.sandbox.clock.now())
        return answer(request, f"Sent: {await post(self._desk, letter)}")

    @takes_body(_LARGEST)
    async def bring(self, request: Request) -> Response:
        """Take in the mails of files: each is one mail, or an mbox of many."""
        body, kind = await request.body(), request.headers.get("content-type", "")
        project, mails = await asyncio.to_thread(_brought, body, kind)
        count = 0
        refused: list[str] = []
        for filename, octets in mails:
            try:
                await self._desk.sandbox.ingest(octets, project=project)
                count += 1
            except PillarboxError as error:
                refused.append(f"{filename}: {error}")
        if not count and not refused:
            raise Problem(422, "There are no messages in it. Choose .eml files, or an mbox.")
        said = f"{count:,} {'message' if count == 1 else 'messages'} imported"
        if refused:
            shown = "; ".join(refused[:_SHOWN_REASONS])
            said += f", {len(refused):,} not: {shown}"
        return answer(request, said, place=Place(project))

    async def _page(
        self, request: Request, *, problem: str = "", form: Form | None = None
    ) -> Response:
        if problem and "application/json" in request.headers.get("accept", ""):
            raise Problem(422, problem)
        place = Place.of(request)
        return self._desk.pages.page(
            request,
            "sandbox/new.html",
            status=422 if problem else 200,
            shell=await make_shell(self._desk, Place(place.project), "new"),
            samples=SAMPLES,
            problem=problem,
            form=form or Form([]),
        )


def _brought(body: bytes, kind: str) -> tuple[str | None, list[tuple[str, bytes]]]:
    """Return which project a form names, and the mails in its files with the files' names."""
    project: str | None = None
    mails: list[tuple[str, bytes]] = []
    for part in parts_of(body, kind):
        if part.name == "project":
            project = part.content.decode("utf-8", "replace") or None
        elif part.name == _FILE and part.content:
            is_box = part.content.startswith(_MBOX)
            found = read_mbox(part.content) if is_box else (part.content,)
            mails += [(part.filename, octets) for octets in found]
    return project, mails
