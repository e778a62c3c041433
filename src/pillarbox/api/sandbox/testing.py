"""Native API for tests: wait for a message, and check its header."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import Query as InQuery, Request
from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.checksums import off_the_loop
from pillarbox.api.sandbox import models as m
from pillarbox.api.sandbox.problems import MAIL_PROBLEMS, problems
from pillarbox.api.sandbox.selecting import Search
from pillarbox.api.sandbox.shapes import show_message
from pillarbox.api.serving import InProject, TheMail, TheSandbox, read_id, read_search
from pillarbox.inbox.values import Summary
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router", "wait_for_message"]

router = Router(tags=["For tests"])

LONGEST_WAIT: Final = 120.0
_MOST_NAMED: Final = 5  # of other mails, where the one did not come


class Expectation(BaseModel):
    """What a field should say. Give one of the four."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, examples=["Subject"])
    equals: str | None = Field(None, max_length=10_000)
    contains: str | None = Field(None, max_length=10_000)
    present: bool = False
    absent: bool = False


class Assertions(BaseModel):
    """What should be true of a header."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"headers": [{"name": "Subject", "equals": "Welcome"}]}],
        },
    )

    headers: list[Expectation] = Field(min_length=1, max_length=100)


class Outcome(BaseModel):
    """What came of one expectation."""

    name: str
    passed: bool
    found: list[str] = Field(description="What the fields of this name say.")
    why: str = Field(description="What is wrong; empty where it passed.")


class Verdict(BaseModel):
    """What came of all of them."""

    passed: bool
    results: list[Outcome]


@router.get(
    "/messages/wait",
    summary="Wait for a mail",
    responses=problems(_404="`after` names no message.", _408="No such message arrived in time."),
)
async def wait(
    request: Request,
    sandbox: TheSandbox,
    query: Search = "",
    project: InProject = None,
    timeout: Annotated[  # noqa: ASYNC109 - it is what callers mean
        float, InQuery(ge=0, le=LONGEST_WAIT, description="Maximum time to wait, in seconds.")
    ] = 10.0,
    after: Annotated[
        str | None,
        InQuery(max_length=64, description="Only mail that arrived after this message (its id)."),
    ] = None,
) -> m.Message:
    """Return the newest mail that a search finds, as soon as there is one.

    A mail that is there already is returned at once; `after` leaves out what was there before.
    """
    summary = await wait_for_message(
        request, sandbox, query, project=project, timeout=timeout, after=after
    )
    mail = await sandbox.mail(summary.id)
    if mail is None:
        raise Problem(404, "The message arrived, but was removed at once.")
    return await off_the_loop(mail, lambda: show_message(summary, mail))


@router.post("/messages/{id}/assertions", summary="Check its header", responses=MAIL_PROBLEMS)
async def check_header(mail: TheMail, assertions: Assertions) -> Verdict:
    """Say which expectations the header of a mail meets. It is always 200: look at `passed`."""
    results = [_check(each, mail.values(each.name)) for each in assertions.headers]
    return Verdict(passed=all(result.passed for result in results), results=results)


async def wait_for_message(
    request: Request,
    sandbox: Sandbox,
    query: str,
    *,
    project: str | None,
    timeout: float,  # noqa: ASYNC109 - it is what callers mean
    after: str | None = None,
) -> Summary:
    """Return the mail that a search finds, waiting for it.

    Raises:
        Problem: It did not come in time (408), or we stop (503).
    """
    search = read_search(query) if query.strip() else None
    waiting = asyncio.ensure_future(
        sandbox.wait_for(
            search,
            project=project,
            timeout=timeout,
            after=None if after is None else read_id(after),
        )
    )
    stopping = asyncio.ensure_future(request.app.state.stopping.wait())
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({waiting, stopping, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise Problem(503, "The sandbox is stopping.")
        summary = waiting.result()
    finally:
        for task in (waiting, stopping, gone):
            task.cancel()
    if summary is None:
        raise await _not_in_time(sandbox, query, project, timeout)
    return summary


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _not_in_time(
    sandbox: Sandbox, query: str, project: str | None, seconds: float
) -> Problem:
    """Return a problem that names what is there instead, which is what one wants to know."""
    page = await sandbox.find(project=project, limit=_MOST_NAMED)
    others = "; ".join(
        f"{summary.subject!r} to {', '.join(summary.recipients[:3])}" for summary in page.summaries
    )
    hint = f"The newest of {page.total} here: {others}." if others else "There are no messages at "
    "all."
    if others and "to:" in query:
        hint += " `to:` looks at the field To; whom no field names is found by `bcc:`."
    what = f"No mail that {query or 'any search'!r} finds came within {seconds:g} s."
    return Problem(408, what, hint=hint)


def _check(expected: Expectation, found: tuple[str, ...]) -> Outcome:
    return Outcome(
        name=expected.name,
        passed=not (why := _what_is_wrong(expected, found)),
        found=list(found),
        why=why,
    )


def _what_is_wrong(expected: Expectation, found: tuple[str, ...]) -> str:
    if expected.absent:
        return f"There is a {expected.name} field." if found else ""
    if not found:
        return f"There is no {expected.name} field."
    if expected.equals is not None and expected.equals not in found:
        return f"No {expected.name} field is {expected.equals!r}."
    if expected.contains is not None and not any(expected.contains in each for each in found):
        return f"No {expected.name} field contains {expected.contains!r}."
    return ""
