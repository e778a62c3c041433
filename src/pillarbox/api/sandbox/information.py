"""Native API: facts about the sandbox itself."""

from __future__ import annotations

from pydantic import BaseModel, Field

from pillarbox.api.serving import TheSandbox
from pillarbox.api.times import rfc3339
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(tags=["The sandbox"])


class Ports(BaseModel):
    """Where it listens, as `host:port`."""

    smtp: list[str]
    smtps: list[str]
    http: list[str]
    pop3: list[str]


class Bounds(BaseModel):
    """What the inbox is held to; 0 is no bound."""

    messages: int
    octets: int
    age: float = Field(description="Seconds.")


class Information(BaseModel):
    """The sandbox, as it is now."""

    version: str
    label: str
    addresses: Ports
    database: str = Field(description="The file; empty in memory.")
    bounds: Bounds
    messages: int
    unread: int
    octets: int
    oldest_at: str | None
    caught: int = Field(description="Messages since the start.")
    refused: int = Field(description="Messages and recipients refused since the start.")
    removed: int
    pruned: int = Field(description="Messages that went for a bound.")
    started_at: str
    uptime: float = Field(description="Seconds.")
    auth: str = Field(description="`any`, `chosen`, `refuse` or `none`.")
    has_tls: bool
    max_message_size: int
    can_release: bool = Field(description="Whether mail can be sent on to real people.")


@router.get("/info", summary="About this sandbox")
async def read_info(sandbox: TheSandbox) -> Information:
    """Return where it listens, what it keeps and how full it is."""
    info = await sandbox.info()
    oldest = info.counts.oldest_at
    return Information(
        version=info.version,
        label=info.label,
        addresses=Ports(
            smtp=list(info.addresses.smtp),
            smtps=list(info.addresses.smtps),
            http=list(info.addresses.http),
            pop3=list(info.addresses.pop3),
        ),
        database=info.database,
        bounds=Bounds(
            messages=info.cap.max_messages, octets=info.cap.max_octets, age=info.cap.max_age
        ),
        messages=info.counts.total,
        unread=info.counts.unread,
        octets=info.counts.octets,
        oldest_at=None if oldest is None else rfc3339(oldest),
        caught=info.statistics.caught,
        refused=info.statistics.refused,
        removed=info.statistics.removed,
        pruned=info.statistics.pruned,
        started_at=rfc3339(info.started_at),
        uptime=info.uptime,
        auth=info.auth,
        has_tls=info.has_tls,
        max_message_size=info.max_message_size,
        can_release=info.can_release,
    )
