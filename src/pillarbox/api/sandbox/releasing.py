"""Native API: releasing caught mail to real recipients, where a relay is configured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.sandbox.problems import MAIL_PROBLEMS, problems
from pillarbox.api.serving import TheSandbox, TheSummary
from pillarbox.api.times import rfc3339
from pillarbox.sandbox.release import Released
from pillarbox.store.ids import show_id
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(tags=["Releasing"])


class Release(BaseModel):
    """To whom."""

    model_config = ConfigDict(extra="forbid")

    recipients: list[str] = Field(min_length=1, max_length=100, examples=[["ann@example.com"]])


class RecipientShown(BaseModel):
    """What became of one recipient."""

    address: str
    is_accepted: bool
    reply: str = Field(description="The relay's reply, word for word.")


class ReleasedShown(BaseModel):
    """One release, and what the relay said."""

    id: str = Field(description="Of the mail.")
    at: str
    rule: str = Field(description="That asked for it; empty for a person.")
    relay: str
    recipients: list[RecipientShown]
    problem: str = Field(description="Why nobody received it.")
    conversation: list[str]


class RelayShown(BaseModel):
    """Whether mail can leave, by what, and to whom."""

    is_on: bool
    relay: str = Field(description="Empty where there is none.")
    allowed: list[str] = Field(description="Patterns of addresses that may receive mail.")
    releases: list[ReleasedShown] = Field(description="The latest ones, newest first.")


@router.get("/releases", summary="What was sent on")
async def read_releases(sandbox: TheSandbox) -> RelayShown:
    """Return the relay, who may get mail, and the last releases."""
    releaser = sandbox.releaser
    if releaser is None:
        return RelayShown(is_on=False, relay="", allowed=[], releases=[])
    return RelayShown(
        is_on=True,
        relay=str(releaser.relay),
        allowed=list(releaser.patterns),
        releases=[_show(each) for each in releaser.releases()],
    )


@router.post(
    "/messages/{id}/release",
    summary="Send it on",
    responses={**MAIL_PROBLEMS, **problems(_422="No relay, or somebody is not allowed.")},
)
async def release(sandbox: TheSandbox, summary: TheSummary, release: Release) -> ReleasedShown:
    """Send a mail by the relay that is configured, to recipients that it allows."""
    return _show(await sandbox.release(summary.id, release.recipients))


def _show(released: Released) -> ReleasedShown:
    return ReleasedShown(
        id=show_id(released.mail),
        at=rfc3339(released.at),
        rule=released.rule,
        relay=released.relay,
        recipients=[
            RecipientShown(address=each.address, is_accepted=each.is_accepted, reply=each.reply)
            for each in released.recipients
        ],
        problem=released.problem,
        conversation=list(released.conversation),
    )
