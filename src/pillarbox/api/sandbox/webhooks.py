"""Native API: webhooks and their deliveries."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query as InQuery
from pydantic import BaseModel, Field

from pillarbox.api.sandbox.problems import problems
from pillarbox.api.serving import TheSandbox
from pillarbox.api.times import rfc3339
from pillarbox.policy.masked_url import masked_url
from pillarbox.sandbox.service import Sandbox
from pillarbox.sandbox.webhook_call import Endpoint
from pillarbox.sandbox.webhooks import Delivery
from pillarbox.store.ids import show_id
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/webhooks", tags=["Webhooks"])

_MOST: Final = 2_000

Name = Annotated[str, Path(min_length=1, max_length=200)]


class Receiver(BaseModel):
    """Somebody who is told of new mail. Its secret is asked for by itself."""

    name: str
    url: str = Field(description="Where it is; what a query says is masked.")
    project: str = Field(description="Of which it is told; empty: of all.")
    search: str = Field(description="Only of mail that this finds.")
    timeout: float = Field(description="Seconds.")
    is_configured: bool = Field(description="It stands in the configuration.")
    is_disabled: bool = Field(description="It answered 410 and is no longer called.")


class Secret(BaseModel):
    """What calls are signed with (Standard Webhooks)."""

    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class DeliveryShown(BaseModel):
    """One event for one receiver, and what came of it so far."""

    id: str
    event: str = Field(description="Its name, by which a receiver knows a repetition.")
    at: str
    receiver: str
    url: str
    project: str
    message: str | None = Field(description="The id of the mail; null for a test.")
    attempt: int
    status: int | None
    problem: str = Field(description="Empty for a success.")
    response: str
    seconds: float
    request: str = Field(description="The body that was sent.")
    next_try: str | None
    is_done: bool


@router.get("", summary="List receivers")
async def list_receivers(sandbox: TheSandbox) -> list[Receiver]:
    """Return who is told of new mail: those of the configuration, and those of projects."""
    webhooks = sandbox.webhooks
    return [
        Receiver(
            name=each.name,
            url=masked_url(each.url),
            project=each.project,
            search=each.search,
            timeout=each.timeout,
            is_configured=each.is_configured,
            is_disabled=webhooks.is_disabled(each),
        )
        for each in webhooks.endpoints()
    ]


@router.get("/deliveries", summary="Deliveries and their results")
async def list_deliveries(
    sandbox: TheSandbox,
    limit: Annotated[int, InQuery(ge=1, le=_MOST, description="Maximum number to return.")] = 100,
) -> list[DeliveryShown]:
    """Return the last deliveries, newest first."""
    return [_show(each) for each in sandbox.webhooks.deliveries(limit)]


@router.post(
    "/deliveries/{id}/replay",
    summary="Send an event again",
    responses=problems(_422="It is no longer remembered."),
)
async def replay(sandbox: TheSandbox, id: Name) -> DeliveryShown:  # noqa: A002 - as it stands in the path
    """Send the same event to the same receiver; return what came of it."""
    return _show(await sandbox.webhooks.replay(id))


@router.get(
    "/{name}/secret", summary="A receiver's secret", responses=problems(_404="No such receiver.")
)
async def read_secret(sandbox: TheSandbox, name: Name) -> Secret:
    """Return the secret that was made up for it, to be given to whoever checks its calls."""
    secret = _find(sandbox, name).secret
    if not secret:
        raise Problem(404, "The secret was given by somebody, and is shown to nobody.")
    return Secret(secret=secret)


@router.post("/{name}/test", summary="Try a receiver", responses=problems(_404="No such receiver."))
async def test(sandbox: TheSandbox, name: Name) -> DeliveryShown:
    """Send an event of no mail; return what came of it."""
    _find(sandbox, name)
    return _show(await sandbox.webhooks.test(name))


def _find(sandbox: Sandbox, name: str) -> Endpoint:
    found = next((each for each in sandbox.webhooks.endpoints() if each.name == name), None)
    if found is None:
        raise Problem(404, f"There is no webhook {name!r}.")
    return found


def _show(delivery: Delivery) -> DeliveryShown:
    return DeliveryShown(
        id=delivery.id,
        event=delivery.event,
        at=rfc3339(delivery.at),
        receiver=delivery.endpoint,
        url=masked_url(delivery.url),
        project=delivery.project,
        message=None if delivery.mail is None else show_id(delivery.mail),
        attempt=delivery.attempt,
        status=delivery.status,
        problem=delivery.problem,
        response=delivery.response,
        seconds=delivery.seconds,
        request=delivery.request_body.decode("utf-8", "replace"),
        next_try=None if delivery.next_try is None else rfc3339(delivery.next_try),
        is_done=delivery.is_done,
    )
