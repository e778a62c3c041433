"""New settings while mail is under way: what is in the air ends, the rest goes by the new ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.delivery_rig import MX, Rig
from tests.scripted_server import Talk
from tests.scripted_site import site

from pillarbox.config.settings import DeliverySettings, QueueSettings, RouteKind, RouteSettings
from pillarbox.events.types import (
    AttemptMade,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    StoreFailed,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.policy.queue import RecipientState as S
from pillarbox.store.port import Change, Selection


def use(
    rig: Rig,
    routes: dict[str, RouteSettings],
    *,
    delivery: DeliverySettings | None = None,
    queue: QueueSettings | None = None,
) -> None:
    """Let a rig go on with other settings."""
    rig.routes = routes
    rig.deliverer.use(
        delivery or rig.delivery,
        queue or rig.queue,
        routes,
        rig.queue_for,
        rig.addressees,
    )


def test_what_waits_goes_by_the_new_routes_and_once() -> None:
    """What is under way ends; what waits behind it, marked or not, goes where the route leads."""
    sent = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING")
        for verb in ("MAIL", "RCPT", "DATA"):
            await talk.hear(verb)
        await talk.say("250 ok", "250 ok", "354 go")
        await talk.content()
        sent.set()
        await asyncio.sleep(9)
        await talk.say("250 2.0.0 kept")
        await talk.goodbye()

    async def main() -> None:
        one = replace(MX, connections=1)
        async with Rig(routes={"mx": one}, servers=()) as rig, site(rig, "127.0.1.1", script):
            flying = await rig.send("bob@one.test")
            await sent.wait()
            waiting = [await rig.send(f"bob{number}@one.test") for number in range(60)]
            await rig.settled()
            use(rig, {"mx": RouteSettings(kind=RouteKind.DISCARD, recipients=("*",))})
            await rig.wait_for(RecipientDelivered, 60, within=5)
            assert {event.host for event in rig.told(RecipientDelivered)} == {"discard"}
            await rig.wait_for(RecipientDelivered, 61)
            assert [await rig.state(each) for each in (flying, *waiting)] == [S.DELIVERED] * 61
            assert rig.told(RecipientDelivered)[-1].reply == "250 2.0.0 kept"
            assert not rig.told(StoreFailed)

    run_virtual(main())


def test_a_route_that_holds_is_opened_and_closed() -> None:
    """A hold route turned into another delivers; a route turned into hold keeps mail back."""
    hold = {"mx": RouteSettings(kind=RouteKind.HOLD, recipients=("*",))}

    async def main() -> None:
        async with Rig(routes=hold) as rig:
            message = await rig.send("bob@one.test")
            await rig.wait_for(RecipientHeld)
            use(rig, {"mx": MX})
            changed = await rig.memory.change(Selection(), Change.RELEASE, now=rig.lab.clock.now())
            rig.deliverer.changed(changed)
            await rig.wait_for(RecipientDelivered, within=5)
            assert await rig.state(message) is S.DELIVERED
            use(rig, hold)
            kept = await rig.send("eve@one.test")
            await rig.wait_for(RecipientHeld, 2, within=5)
            assert await rig.state(kept) is S.HELD

    run_virtual(main())


def test_a_route_changed_while_dns_is_asked_is_looked_up_again() -> None:
    """An answer for the old route does not make mail go by it."""

    async def main() -> None:
        async with Rig() as rig:
            rig.deliverer.offer(message := rig.message("bob@one.test"))
            await rig.group.keep(message)
            use(rig, {"mx": RouteSettings(kind=RouteKind.DISCARD, recipients=("*",))})
            (event,) = await rig.wait_for(RecipientDelivered, within=5)
            assert event.host == "discard"

    run_virtual(main())


def test_new_waits_and_limits_hold_from_now_on() -> None:
    """Retry waits, memory, time-outs and pausing follow the new settings."""

    async def main() -> None:
        async with Rig() as rig:
            queue = QueueSettings(first_retry=30.0, max_retry=60.0, in_memory=100)
            use(rig, rig.routes, queue=queue)
            at = rig.lab.clock.now()
            await rig.send("defer-9-times@one.test")
            (event,) = await rig.wait_for(RecipientDeferred)
            assert event.next_attempt_at - at < 60
            use(rig, rig.routes, delivery=DeliverySettings(paused=True), queue=queue)
            attempts = len(rig.told(AttemptMade))
            await rig.send("bob@one.test")
            await asyncio.sleep(120)
            assert len(rig.told(AttemptMade)) == attempts
            use(rig, rig.routes, delivery=DeliverySettings(final_timeout=20.0), queue=queue)
            await rig.wait_for(RecipientDelivered)
            await rig.send("slow-dot-60s@one.test")
            await asyncio.sleep(25)
            assert "within 20 s" in " ".join(rig.told(AttemptMade)[-1].conversation)

    run_virtual(main())
