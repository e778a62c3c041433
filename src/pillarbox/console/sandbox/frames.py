"""Message content served to a browser: the framed HTML, the text, the files, the source.

Each of these responses has a policy that prevents scripts wherever it is opened: in the frame, in
its own tab, or through a shared link. ``/leave`` shows where a link of a message goes before
anybody follows it.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.files import PICTURES
from pillarbox.console.sandbox.forms import message_id
from pillarbox.console.sandbox.framed import LEAVABLE, Scheme, frame, frame_policy
from pillarbox.message.mail import Mail
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId
from pillarbox.web.problems import Problem

__all__ = ["router"]

_LATEST: Final = "latest"
_LONGEST_TARGET: Final = 16_000  # characters of a link
_SLASHES: Final = re.compile(r"^(https?):[/\\]*+", re.IGNORECASE)
_NO_HTML: Final = "<!doctype html><title>No HTML</title><p>This message has no HTML part."


def router(desk: Desk) -> APIRouter:
    """Return the routes of message content."""
    router = APIRouter(include_in_schema=False)
    holding = _Holding(desk)
    router.get("/view/{name}.html")(holding.html)
    router.get("/view/{name}.txt")(holding.text)
    router.get("/download/{name}.eml")(holding.octets)
    router.get("/mail/{name}/part/{number}")(holding.part)
    router.get("/leave")(holding.leave)
    return router


class _Holding:
    """Serves message content."""

    def __init__(self, desk: Desk) -> None:
        self._sandbox = desk.sandbox
        self._pages = desk.pages

    async def html(self, request: Request, name: str) -> Response:
        """The HTML part, ready for the frame."""
        _, mail = await self._mail(request, name)
        query = request.query_params
        shows_remote = query.get("remote") == "1"
        schemes = {scheme.value: scheme for scheme in Scheme}
        scheme = schemes.get(query.get("scheme", ""), Scheme.LIGHT)
        root = request.scope.get("root_path", "")
        framed = await asyncio.to_thread(
            partial(frame, mail, root=root, scheme=scheme, shows_remote=shows_remote)
        )
        return HTMLResponse(
            framed.html if mail.html is not None else _NO_HTML,
            headers={
                "content-security-policy": frame_policy(shows_remote=shows_remote),
                "x-frame-options": "SAMEORIGIN",
                "referrer-policy": "no-referrer",
                "x-dns-prefetch-control": "off",  # or browsers ask for the names of links
            },
        )

    async def text(self, request: Request, name: str) -> Response:
        """The text part."""
        _, mail = await self._mail(request, name)
        return PlainTextResponse(mail.text or "")

    async def octets(self, request: Request, name: str) -> Response:
        """The whole message, as a download."""
        message = await self._message(request, name)
        octets = await self._sandbox.content(message)
        if octets is None:
            raise Problem(404, "This message is not here.")
        return Response(
            octets,
            media_type="message/rfc822",
            headers={"content-disposition": f'attachment; filename="{show_id(message)}.eml"'},
        )

    async def part(self, request: Request, name: str, number: int) -> Response:
        """One part, as a download; images may be shown inline."""
        _, mail = await self._mail(request, name)
        part = mail.part(number)
        if part is None:
            raise Problem(404, f"This message has no part {number}.")
        content = await asyncio.to_thread(lambda: part.content)
        if request.query_params.get("show") == "1" and part.media_type in PICTURES:
            return Response(content, media_type=part.media_type)
        attachment = mail.attachment(number)
        saved = attachment.saved_as if attachment else f"part-{number}"
        return Response(
            content,
            media_type="application/octet-stream",
            headers={"content-disposition": _save_as(saved)},
        )

    async def leave(self, request: Request) -> Response:
        """The page that shows where a link goes."""
        target = request.query_params.get("to", "")[:_LONGEST_TARGET]
        scheme, host, user = _named(target)
        return self._pages.page(
            request,
            "sandbox/leave.html",
            headers={"referrer-policy": "no-referrer", "x-dns-prefetch-control": "off"},
            target=target,
            host=host,
            can_go=scheme in LEAVABLE,
            is_plain=scheme == "http",
            user=user,
        )

    async def _mail(self, request: Request, name: str) -> tuple[MessageId, Mail]:
        message = await self._message(request, name)
        mail = await self._sandbox.mail(message)
        if mail is None:
            raise Problem(404, "This message is not here.")
        return message, mail

    async def _message(self, request: Request, name: str) -> MessageId:
        if name != _LATEST:
            return message_id(name)
        query = request.query_params
        summary = await self._sandbox.latest(
            query.get("query") or query.get("q") or None, project=query.get("project") or None
        )
        if summary is None:
            raise Problem(404, "There is no such message yet.")
        return summary.id


def _named(target: str) -> tuple[str, str, str]:
    """Return the scheme, host and user of a link; "" for missing ones."""
    try:
        # Browsers take "http:x", "http:/x" and "http:\\x" for "http://x" (URL Standard).
        parts = urlsplit(_SLASHES.sub(r"\1://", target))
        return parts.scheme.lower(), parts.hostname or "", parts.username or ""
    except ValueError:  # such as an unclosed bracket
        return "", "", ""


def _save_as(filename: str) -> str:
    """Return a Content-Disposition by which a file is saved under its name (RFC 6266 §4.3)."""
    plain = "".join(
        one if one.isascii() and one.isprintable() and one not in '"\\%' else "_"
        for one in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
