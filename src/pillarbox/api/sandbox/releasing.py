"""Native API: sending caught mail on to real people, where a relay is configured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.sandbox.problems import MAIL_PROBLEMS
from pillarbox.api.serving import TheSandbox, TheSummary
from pillarbox.store.ids import show_id
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/messages/{id}", tags=["A message"], responses=MAIL_PROBLEMS)


class Release(BaseModel):
    """To whom."""

    model_config = ConfigDict(extra="forbid")

    recipients: list[str] = Field(min_length=1, max_length=100, examples=[["ann@example.com"]])


class ReleasedShown(BaseModel):
    """What the relay said."""

    id: str
    recipients: list[str]


@router.post("/release", summary="Send it on")
async def release(sandbox: TheSandbox, summary: TheSummary, release: Release) -> ReleasedShown:
    """Send a mail by the relay that is configured, to recipients that it allows."""
    await sandbox.release(summary.id, release.recipients)
    return ReleasedShown(id=show_id(summary.id), recipients=release.recipients)
