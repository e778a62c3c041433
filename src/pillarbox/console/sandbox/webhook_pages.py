"""The page of webhooks: their endpoints, their deliveries, and released mail."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.console.sandbox.answers import go_back
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.forms import read_form
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.errors import PillarboxError
from pillarbox.sandbox.release import Released, ReleasedRecipient
from pillarbox.sandbox.webhooks import Delivery
from pillarbox.store.ids import show_id

__all__ = ["router"]

_SHOWN: Final = 50  # deliveries
_LONGEST_BODY: Final = 20_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One delivery as the page shows it."""

    id: str
    at: float
    endpoint: str
    mail: str  # "" for a test
    is_test: bool
    body: str
    response: str
    status: int | None
    problem: str
    attempt: int
    seconds: float
    is_done: bool
    has_succeeded: bool


def router(desk: Desk) -> APIRouter:
    """Return the routes of webhooks."""
    router = APIRouter(include_in_schema=False)
    hooks = _WebhookPages(desk)
    router.get("/webhooks")(hooks.page)
    router.post("/webhooks/test")(hooks.test)
    router.post("/webhooks/replay")(hooks.replay)
    return router


class _WebhookPages:
    """Shows webhooks, and repeats deliveries."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sandbox = desk.sandbox
        self._pages = desk.pages

    async def page(self, request: Request) -> Response:
        """The webhooks, and the responses to deliveries."""
        return await self._page(request)

    async def test(self, request: Request) -> Response:
        """Send a test event to a webhook."""
        form = await read_form(request)
        try:
            await self._sandbox.webhooks.test(form.text("name"))
        except PillarboxError as error:
            return await self._page(request, problem=str(error))
        return go_back(request, "/webhooks")

    async def replay(self, request: Request) -> Response:
        """Deliver once more."""
        form = await read_form(request)
        try:
            await self._sandbox.webhooks.replay(form.text("id"))
        except PillarboxError as error:
            return await self._page(request, problem=str(error))
        return go_back(request, "/webhooks")

    async def _page(self, request: Request, *, problem: str = "") -> Response:
        hooks, releaser = self._sandbox.webhooks, self._sandbox.releaser
        return self._pages.page(
            request,
            "sandbox/webhooks.html",
            status=422 if problem else 200,
            shell=await make_shell(self._desk, Place(), "webhooks"),
            endpoints=hooks.endpoints(),
            deliveries=[_view(delivery) for delivery in hooks.deliveries(_SHOWN)],
            releaser=releaser,
            releases=() if releaser is None else tuple(map(_released, releaser.releases())),
            problem=problem,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView:
    """One release as the page shows it."""

    at: float
    mail: str
    rule: str  # "" for a person
    recipients: tuple[ReleasedRecipient, ...]
    problem: str
    conversation: tuple[str, ...]


def _released(released: Released) -> ReleaseView:
    return ReleaseView(
        at=released.at,
        mail=show_id(released.mail),
        rule=released.rule,
        recipients=released.recipients,
        problem=released.problem,
        conversation=released.conversation,
    )


def _view(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=delivery.id,
        at=delivery.at,
        endpoint=delivery.endpoint,
        mail=show_id(delivery.mail) if delivery.mail is not None else "",
        is_test=delivery.mail is None,
        body=_shown(delivery.request_body),
        response=delivery.response,
        status=delivery.status,
        problem=delivery.problem,
        attempt=delivery.attempt,
        seconds=delivery.seconds,
        is_done=delivery.is_done,
        has_succeeded=delivery.has_succeeded,
    )


def _shown(body: bytes) -> str:
    text = body[:_LONGEST_BODY].decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:  # it was cut
        return text
