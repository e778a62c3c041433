"""How routes find the sandbox they serve and the message that a request names.

Routes are module-level, and one process may serve several sandboxes (tests do), so the sandbox
travels with the request: ``serve`` puts it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path, Query as InQuery
from starlette.requests import HTTPConnection

from pillarbox.clock import SystemClock
from pillarbox.errors import PermanentError
from pillarbox.inbox.values import Summary
from pillarbox.message.mail import Mail
from pillarbox.sandbox.service import Sandbox
from pillarbox.search.language import parse_query
from pillarbox.search.query import Query
from pillarbox.store.ids import parse_id
from pillarbox.store.port import MessageId
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = [
    "LATEST",
    "InProject",
    "ShownId",
    "TheMail",
    "TheSandbox",
    "TheSummary",
    "message_ids",
    "read_id",
    "read_search",
    "serve",
]

LATEST: Final = "latest"
"""What stands for the newest mail in the place of an id."""

_CLOCK: Final = SystemClock()


def serve(
    sandbox: Sandbox,
    parts: Iterable[APIRouter],
    *,
    prefix: str = "",
    responses: dict[int | str, dict[str, Any]] | None = None,
) -> APIRouter:
    """Return one router of all parts, whose requests know ``sandbox``.

    Args:
        sandbox: Whom they ask.
        parts: The routes.
        prefix: Of all paths.
        responses: What the document says that all of them may answer.
    """

    async def provide(connection: HTTPConnection) -> None:
        connection.state.sandbox = sandbox

    whole = Router(prefix=prefix, dependencies=[Depends(provide)], responses=responses)
    for part in parts:
        whole.include_router(part)
    return whole


async def _sandbox(connection: HTTPConnection) -> Sandbox:
    sandbox: Sandbox = connection.state.sandbox
    return sandbox


TheSandbox = Annotated[Sandbox, Depends(_sandbox)]

InProject = Annotated[
    str | None,
    InQuery(
        description="Only in this project; mail of another one is not found.",
        max_length=63,
    ),
]

ShownId = Annotated[
    str,
    Path(
        description="The 13 characters after `queued as`, or `latest`.",
        max_length=64,
        examples=["latest"],
    ),
]


def read_id(shown: str) -> MessageId:
    """Return the id that a path or a body names.

    Raises:
        Problem: It is none, and so nobody's (404).
    """
    try:
        return parse_id(shown)
    except PermanentError:
        raise _no_mail(shown) from None


def message_ids(shown: Iterable[str]) -> frozenset[MessageId]:
    """Return ids, without those that are none."""
    found = set()
    for text in shown:
        try:
            found.add(parse_id(text))
        except PermanentError:
            continue
    return frozenset(found)


def read_search(text: str, zone: str = "") -> Query:
    """Return a search.

    Args:
        text: In the search language.
        zone: A name such as ``Pacific/Auckland``, in which days begin; "" is UTC.

    Raises:
        QueryError: A word is not known, or a value makes no sense.
        Problem: There is no such zone.
    """
    try:
        place = ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError):
        raise Problem(422, f"There is no time zone {zone!r}.") from None
    return parse_query(text, now=_CLOCK.now(), zone=place)


async def _summary(sandbox: TheSandbox, id: ShownId, project: InProject = None) -> Summary:  # noqa: A002 - the name in the path
    if id == LATEST:
        newest = await sandbox.latest(project=project)
        if newest is None:
            raise Problem(404, "There is no message here yet.")
        return newest
    found = await sandbox.summary(read_id(id))
    if found is None or (project is not None and found.project != project):
        raise _no_mail(id)
    return found


TheSummary = Annotated[Summary, Depends(_summary)]


async def _mail(sandbox: TheSandbox, summary: TheSummary) -> Mail:
    mail = await sandbox.mail(summary.id)
    if mail is None:
        raise _no_mail("this")
    return mail


TheMail = Annotated[Mail, Depends(_mail)]


def _no_mail(shown: str) -> Problem:
    return Problem(404, f"There is no mail {shown!r} here.")
