"""The page that compares two messages."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.differing import differences
from pillarbox.console.sandbox.forms import message_id
from pillarbox.console.sandbox.listing import row_of
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.web.problems import Problem

__all__ = ["router"]

_PAIR: Final = 2


def router(desk: Desk) -> APIRouter:
    """Return the route of comparing."""
    router = APIRouter(include_in_schema=False)

    @router.get("/compare")
    async def compare(request: Request) -> Response:
        named = ",".join(request.query_params.getlist("ids")).split(",")
        ids = sorted({message_id(name) for name in named if name})
        if len(ids) != _PAIR:
            raise Problem(422, "Choose two messages to compare.")
        await desk.hues.load()
        rows, mails = [], []
        for message in ids:  # the older one first
            summary, mail = await desk.sandbox.summary(message), await desk.sandbox.mail(message)
            if summary is None or mail is None:
                raise Problem(404, "One of these messages is no longer here.")
            rows.append(row_of(summary, desk.hues))
            mails.append(mail)
        fields, texts = await asyncio.to_thread(differences, *mails)
        place = Place.of(request)
        return desk.pages.page(
            request,
            "sandbox/compare.html",
            shell=await make_shell(desk, place, "compare"),
            first=rows[0],
            second=rows[1],
            fields=fields,
            texts=texts,
        )

    return router
