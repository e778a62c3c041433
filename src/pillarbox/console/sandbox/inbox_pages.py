"""The list and the reader: whole pages, and the fragments of them that scripts fetch."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pillarbox.console.sandbox.checks import checks_view, read_verdict, verdict_of
from pillarbox.console.sandbox.connection import connection_of
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.forms import message_id
from pillarbox.console.sandbox.listing import PAGE_ROWS, Listing, list_of, make_listing
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.posting import SAMPLES
from pillarbox.console.sandbox.reader import VIEWS, MailView, make_mail
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.inbox.values import Selection
from pillarbox.store.ids import parse_id, show_id
from pillarbox.store.port import MessageId
from pillarbox.web.problems import Problem

__all__ = ["router"]

_MOST_ROWS: Final = 200  # that are fetched by their ids at once
_FIRST: Final = "message"


def router(desk: Desk) -> APIRouter:
    """Return the routes of list and reader."""
    router = APIRouter(include_in_schema=False)
    looking = _Looking(desk)
    router.get("/")(looking.list_page)
    router.get("/mail/{name}")(looking.mail_page)
    router.get("/mail/{name}/{view}")(looking.view_page)
    router.get("/view/latest")(looking.latest)
    router.get("/view/{name}")(looking.old_path)
    router.get("/fragments/list")(looking.list_piece)
    router.get("/fragments/rows")(looking.rows_piece)
    router.get("/fragments/rail")(looking.rail_piece)
    router.get("/fragments/idle")(looking.idle_piece)
    router.get("/fragments/verdict/{name}")(looking.verdict_piece)
    router.get("/fragments/mail/{name}")(looking.mail_piece)
    router.get("/fragments/mail/{name}/{view}")(looking.view_piece)
    return router


class _Looking:
    """Serves the list and the reader."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sandbox = desk.sandbox
        self._pages = desk.pages

    # --- whole pages -------------------------------------------------------------------

    async def list_page(self, request: Request) -> Response:
        """The list, without an open mail."""
        place = Place.of(request)
        listing = await make_listing(self._desk, place, before=_before(request))
        return await self._page(request, listing, None)

    async def mail_page(self, request: Request, name: str) -> Response:
        """The list, and a mail beside it."""
        return await self.view_page(request, name, _FIRST)

    async def view_page(self, request: Request, name: str, view: str) -> Response:
        """The list, and one view of a mail beside it."""
        place = Place.of(request)
        mail = await self._mail(request, name, view, opens=True)
        listing = await make_listing(self._desk, place, open_id=mail.id)
        return await self._page(request, listing, mail)

    async def latest(self, request: Request) -> Response:
        """The newest mail that a search finds."""
        place = Place.of(request)
        summary = await self._sandbox.latest(place.q or None, project=place.project)
        if summary is None:
            raise Problem(404, "There is no such message yet.")
        return self._to(request, f"/mail/{show_id(summary.id)}{place.query}")

    async def old_path(self, request: Request, name: str) -> Response:
        """Redirect from Mailpit's path of a mail's page."""
        return self._to(request, f"/mail/{show_id(message_id(name))}")

    # --- pieces ------------------------------------------------------------------------

    async def list_piece(self, request: Request) -> Response:
        """The list with its head."""
        listing = await make_listing(self._desk, Place.of(request), open_id=_open(request))
        return self._pages.page(request, "sandbox/list.html", listing=listing)

    async def rows_piece(self, request: Request) -> Response:
        """Rows: the newest, older ones, or certain ones."""
        place, names = Place.of(request), request.query_params.get("ids")
        if names is not None:
            listing = await list_of(self._desk, place, _ids(names))
        else:
            before = _before(request)
            listing = await make_listing(
                self._desk, place, before=before, open_id=_open(request), limit=PAGE_ROWS
            )
        counts = {"x-total": str(listing.total), "x-unread": str(listing.unread)}
        return self._pages.page(request, "sandbox/rows.html", headers=counts, listing=listing)

    async def rail_piece(self, request: Request) -> Response:
        """The rail."""
        page = request.query_params.get("page", "list")
        shell = await make_shell(self._desk, Place.of(request), page)
        return self._pages.page(request, "sandbox/rail.html", shell=shell)

    async def idle_piece(self, request: Request) -> Response:
        """The reader with nothing open."""
        shell = await make_shell(self._desk, Place.of(request))
        connection = connection_of(request, await self._sandbox.info())
        return self._pages.page(
            request,
            "sandbox/idle_piece.html",
            shell=shell,
            connection=connection,
            samples=SAMPLES,
        )

    async def mail_piece(self, request: Request, name: str) -> Response:
        """The reader with a mail."""
        return await self.view_piece(request, name, _FIRST)

    async def view_piece(self, request: Request, name: str, view: str) -> Response:
        """The reader with one view of a mail."""
        mail = await self._mail(request, name, view, opens=True, judges=True)
        shell = await make_shell(self._desk, Place.of(request), "mail")
        return self._pages.page(request, "sandbox/mail.html", mail=mail, shell=shell)

    async def verdict_piece(self, request: Request, name: str) -> Response:
        """The summary of a mail's assessment, which is made now if necessary."""
        message = message_id(name)
        kept = await self._sandbox.inbox.assessment(message)
        verdict = read_verdict(kept) if kept else None
        if verdict is None:
            assessment = await self._sandbox.assess(message)
            verdict = verdict_of(assessment) if assessment else None
        return self._pages.page(request, "sandbox/verdict.html", verdict=verdict)

    # --- what both need ----------------------------------------------------------------

    async def _page(self, request: Request, listing: Listing, mail: MailView | None) -> Response:
        shell = await make_shell(self._desk, listing.place)
        connection = connection_of(request, await self._sandbox.info())
        return self._pages.page(
            request,
            "sandbox/inbox.html",
            status=422 if listing.problem else 200,
            shell=shell,
            listing=listing,
            mail=mail,
            connection=connection,
            samples=SAMPLES,
        )

    async def _mail(
        self, request: Request, name: str, view: str, *, opens: bool, judges: bool = False
    ) -> MailView:
        message = message_id(name)
        if view not in VIEWS:
            raise Problem(404, f"There is no view named {view!r}.")
        given = await self._checks(request, message) if judges and view == "checks" else {}
        if opens:
            await self._sandbox.mark(Selection(ids=frozenset({message})), is_read=True)
        mail = await make_mail(self._desk, message, Place.of(request), view, **given)
        if mail is None:
            raise Problem(
                404, "This message is no longer here: it was deleted, or removed because of a cap."
            )
        return mail

    async def _checks(self, request: Request, message: MessageId) -> dict[str, Any]:
        follows = request.query_params.get("follow") == "1"
        verifies = request.query_params.get("verify") == "1"
        try:
            assessment = await self._sandbox.assess(message, follow_links=follows, verify=verifies)
        except PillarboxError as error:
            return {"checks_problem": str(error)}
        if assessment is None:
            return {"checks_problem": "This message could not be checked."}
        return {"checks": checks_view(assessment)}

    def _to(self, request: Request, path: str) -> Response:
        root = request.scope.get("root_path", "")
        return RedirectResponse(f"{root}{path}", status_code=307)


def _before(request: Request) -> MessageId | None:
    name = request.query_params.get("before")
    return message_id(name) if name else None


def _open(request: Request) -> str:
    """Return the id of the mail that is open beside the list, if it is one."""
    name = request.query_params.get("open", "")
    try:
        return show_id(parse_id(name)) if name else ""
    except PermanentError:
        return ""


def _ids(names: str) -> tuple[MessageId, ...]:
    return tuple(message_id(name) for name in names.split(",")[:_MOST_ROWS] if name)
