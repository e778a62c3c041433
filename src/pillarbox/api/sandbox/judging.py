"""Native API: the assessment of a message, and the session that brought it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query as InQuery
from pydantic import BaseModel, Field

from pillarbox.api.sandbox.problems import MAIL_PROBLEMS, problems
from pillarbox.api.serving import TheSandbox, TheSummary
from pillarbox.api.times import rfc3339
from pillarbox.preflight.assessment import Assessment, ClientTally, FeatureUse, Judged
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/messages/{id}", tags=["Judging"], responses=MAIL_PROBLEMS)


class FindingShown(BaseModel):
    """One thing that was looked at: what, why it matters, and how to put it right."""

    aspect: str = Field(examples=["rendering"])
    level: str = Field(examples=["warning"], description="`ok`, `note`, `warning` or `error`.")
    code: str = Field(examples=["PB-MAIL-201"])
    what: str
    why: str
    fix: str
    evidence: list[str]
    points: float = Field(description="Points of ten that it takes off.")
    lines: list[int] = Field(description="Of the HTML source.")


class Client(BaseModel):
    """How much of what the mail uses a mail client shows."""

    name: str
    family: str
    platform: str
    percent: int | None
    yes: int
    partly: int
    no: int
    unknown: int


class Feature(BaseModel):
    """A feature of HTML or CSS that the mail uses, and who does not know it."""

    slug: str
    title: str
    category: str
    count: int
    lines: list[int]
    support: dict[str, str]
    notes: dict[str, str]
    url: str


class Method(BaseModel):
    """What one check of the sender came to."""

    method: str
    result: str
    subject: str
    reason: str


class AskedLink(BaseModel):
    """What came of asking for a link."""

    url: str
    status: int | None
    problem: str
    final_url: str
    is_refused: bool = Field(description="It was not asked for: no public address, or not HTTP.")


class Report(BaseModel):
    """All that is thought of a mail."""

    score: float = Field(description="0 to 10.")
    arithmetic: str = Field(examples=["10 - 1.5 (PB-MAIL-201) = 8.5"])
    findings: list[FindingShown]
    clients: list[Client]
    features: list[Feature]
    authentication: list[Method] | None
    links: list[AskedLink] | None = Field(description="Null where nobody asked.")


class SessionLine(BaseModel):
    """One line of an SMTP session."""

    at: str
    direction: str = Field(description="`C` the client, `S` the server, `-` it happened.")
    text: str
    note: str = Field(description="What it means, for beginners.")


class Session(BaseModel):
    """The SMTP session that brought a mail."""

    session: str
    client: str
    listener: str
    started_at: str
    lines: list[SessionLine]
    left_out: int


@router.get("/findings", summary="What is thought of it")
async def read_findings(
    sandbox: TheSandbox,
    summary: TheSummary,
    follow_links: Annotated[  # noqa: FBT002 - as it stands in a URL
        bool, InQuery(description="Check its links, at public addresses only.")
    ] = False,
    verify: Annotated[  # noqa: FBT002 - as it stands in a URL
        bool, InQuery(description="Ask DNS for SPF, DKIM and DMARC, as a receiver would.")
    ] = False,
) -> Report:
    """Return findings, the score and how mail clients show it.

    Nothing is asked outside unless you say so.
    """
    assessment = await sandbox.assess(summary.id, follow_links=follow_links, verify=verify)
    if assessment is None:
        raise Problem(404, "The message is gone.")
    return show_assessment(assessment)


@router.get(
    "/session", summary="How it came", responses=problems(_404="It did not come in over SMTP.")
)
async def read_session(sandbox: TheSandbox, summary: TheSummary) -> Session:
    """Return the SMTP session that brought it, line by line. Secrets are not in it."""
    found = await sandbox.transcript(summary.session) if summary.session else None
    if found is None:
        raise Problem(404, "No SMTP session is known for this message.")
    return Session(
        session=found.session,
        client=found.client,
        listener=found.listener,
        started_at=rfc3339(found.started_at),
        lines=[
            SessionLine(
                at=rfc3339(line.at), direction=line.direction, text=line.text, note=line.note
            )
            for line in found.lines
        ],
        left_out=found.left_out,
    )


def show_assessment(assessment: Assessment) -> Report:
    """Return an assessment as programs read it."""
    return Report(
        score=assessment.score.points,
        arithmetic=assessment.score.arithmetic,
        findings=[_finding(judged) for judged in assessment.findings],
        clients=[_client(tally) for tally in assessment.clients.clients],
        features=[_feature(use) for use in assessment.clients.features],
        authentication=None
        if assessment.authentication is None
        else [
            Method(method=fact.method, result=fact.result, subject=fact.subject, reason=fact.reason)
            for fact in assessment.authentication
        ],
        links=None
        if assessment.links is None
        else [
            AskedLink(
                url=answer.url,
                status=answer.status,
                problem=answer.problem,
                final_url=answer.final_url,
                is_refused=answer.is_refused,
            )
            for answer in assessment.links
        ],
    )


def _finding(judged: Judged) -> FindingShown:
    finding = judged.finding
    return FindingShown(
        aspect=judged.aspect.value,
        level=finding.level.name.lower(),
        code=finding.code,
        what=finding.what,
        why=finding.why,
        fix=finding.fix,
        evidence=list(finding.evidence),
        points=judged.tenths / 10,
        lines=list(judged.lines),
    )


def _client(tally: ClientTally) -> Client:
    return Client(
        name=tally.name,
        family=tally.family,
        platform=tally.platform,
        percent=tally.percent,
        yes=tally.yes,
        partly=tally.partly,
        no=tally.no,
        unknown=tally.unknown,
    )


def _feature(use: FeatureUse) -> Feature:
    return Feature(
        slug=use.slug,
        title=use.title,
        category=use.category,
        count=use.count,
        lines=list(use.lines),
        support={client: support.value for client, support in use.support.items()},
        notes=dict(use.notes),
        url=use.url,
    )
