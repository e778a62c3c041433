"""Delivery in the lab: what each kind of server does to a recipient, and to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.delivery_rig import DAY, ZONE, Rig
from tests.failing_store import FailingStore

from pillarbox.config.settings import DeliverySettings, QueueSettings, UncertainPolicy
from pillarbox.events.types import (
    AttemptMade,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    RecipientUncertain,
    SiteBackedOff,
    SiteRecovered,
    StoreFailed,
    StoreRecovered,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.policy.queue import RecipientState
from pillarbox.store.memory import MemoryDisk
from pillarbox.store.port import Change, Selection, StoreUnavailable

S = RecipientState


def in_rig(test: Callable[[Rig], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with Rig(**options) as rig:
            await test(rig)

    run_virtual(main())


def test_a_message_reaches_the_mail_exchanger_unchanged() -> None:
    """What was committed arrives octet by octet, and is recorded as delivered."""

    async def test(rig: Rig) -> None:
        message = await rig.send("bob@one.test")
        (caught,) = await rig.server("mx.one.test").wait_for(1)
        assert caught.content == message.content
        (event,) = await rig.wait_for(RecipientDelivered)
        assert (event.host, event.attempt, event.sender) == ("mx.one.test", 1, "ann@sender.test")
        assert await rig.state(message) is S.DELIVERED
        (attempt,) = rig.told(AttemptMade)
        assert any("MAIL FROM:<ann@sender.test>" in line for line in attempt.conversation)

    in_rig(test)


def test_recipients_of_one_site_share_a_transaction() -> None:
    """Recipients in different domains with the same mail exchangers go out together."""

    async def test(rig: Rig) -> None:
        await rig.send("ann@two.test", "bob@three.test", "eve@one.test")
        await rig.wait_for(RecipientDelivered, 3)
        (caught,) = rig.server("mx.two.test").messages
        assert {str(r.address) for r in caught.envelope.recipients} == {
            "ann@two.test",
            "bob@three.test",
        }

    # The lookups end at different moments: what waits meanwhile is taken along.
    in_rig(test)


def test_each_recipient_gets_its_own_result() -> None:
    """One refused and one deferred recipient change nothing for the third."""

    async def test(rig: Rig) -> None:
        message = await rig.send("bob@one.test", "reject550@one.test", "defer450@one.test")
        await rig.wait_for(RecipientDeferred)
        assert [await rig.state(message, index) for index in range(3)] == [
            S.DELIVERED,
            S.BOUNCED,
            S.QUEUED,
        ]
        (refused,) = rig.told(RecipientBounced)
        assert refused.reply.startswith("550 5.1.1")

    in_rig(test)


def test_a_deferred_recipient_is_tried_again_until_it_is_taken() -> None:
    """Two temporary refusals are followed by the delivery, at growing distances."""

    async def test(rig: Rig) -> None:
        message = await rig.send("defer-2-times@one.test")
        await rig.wait_for(RecipientDelivered, within=DAY)
        first, second = rig.told(RecipientDeferred)
        assert 300 <= first.next_attempt_at - first.at <= 375
        assert 450 <= second.next_attempt_at - second.at <= 750
        assert (await rig.recipient(message)).attempts == 3

    in_rig(test)


def test_greylisting_is_obeyed() -> None:
    """A server that asks to come back in 300 seconds is asked again soon after that."""

    async def test(rig: Rig) -> None:
        await rig.send("greylist@one.test")
        (event,) = await rig.wait_for(RecipientDelivered, within=DAY)
        assert 300 <= event.delay < 400
        assert not rig.told(SiteBackedOff)

    in_rig(test)


def test_no_reply_to_the_final_dot_is_uncertain_and_tried_again() -> None:
    """A connection that breaks after the final dot leaves the recipient uncertain, and due."""

    async def test(rig: Rig) -> None:
        message = await rig.send("drop-after-dot@one.test")
        (event,) = await rig.wait_for(RecipientUncertain)
        kept = await rig.recipient(message)
        assert kept.state is S.UNCERTAIN
        assert kept.next_attempt_at == event.next_attempt_at is not None
        await rig.wait_for(RecipientUncertain, 2, within=DAY)

    in_rig(test)


def test_uncertain_stays_where_twice_is_worse_than_never() -> None:
    """With the policy ``final`` an uncertain recipient is not tried again."""

    async def test(rig: Rig) -> None:
        message = await rig.send("drop-after-dot@one.test")
        await rig.wait_for(RecipientUncertain)
        await asyncio.sleep(DAY)
        assert len(rig.told(AttemptMade)) == 1
        assert (await rig.recipient(message)).next_attempt_at is None

    in_rig(test, queue=QueueSettings(uncertain=UncertainPolicy.FINAL))


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("bob@nowhere.test", "550 5.1.2"),
        ("bob@null.test", "556 5.1.10"),
    ],
)
def test_what_cannot_be_delivered_bounces_without_an_attempt(recipient: str, reply: str) -> None:
    """No such domain and a null MX (RFC 7505) are known for good at once."""

    async def test(rig: Rig) -> None:
        message = await rig.send(recipient)
        (event,) = await rig.wait_for(RecipientBounced)
        assert event.reply.startswith(reply)
        assert await rig.state(message) is S.BOUNCED

    in_rig(test)


def test_a_dns_outage_bounces_nothing() -> None:
    """While DNS fails for hours, mail is deferred with 4.4.3, and goes out afterwards."""

    async def test(rig: Rig) -> None:
        rig.lab.resolver.replace(";! fail test")
        for number in range(20):
            await rig.send(f"bob{number}@one.test")
        await asyncio.sleep(3 * 3600)
        assert not rig.told(RecipientBounced)
        assert all("4.4.3" in event.reply for event in rig.told(RecipientDeferred))
        rig.lab.resolver.replace(ZONE)
        await rig.wait_for(RecipientDelivered, 20, within=DAY)

    in_rig(test)


def test_a_dead_site_is_dialed_once_and_not_once_a_message() -> None:
    """A thousand messages for a site that is down cost one connection, and then a wait."""

    async def test(rig: Rig) -> None:
        sent = (rig.send(f"bob{number}@dead.test") for number in range(1000))
        messages = await asyncio.gather(*sent)
        await rig.wait_for(RecipientDeferred, 1000)
        assert 1 <= len(rig.lab.dialer.dialed) <= 5
        untried = [await rig.recipient(message) for message in messages]
        assert sum(kept.attempts for kept in untried) <= 5
        await asyncio.sleep(3600)
        assert len(rig.lab.dialer.dialed) < 20

    in_rig(test)


def test_a_site_that_comes_back_gets_its_mail() -> None:
    """When a dead site answers again, everything that waited is delivered, and an event says so."""

    async def test(rig: Rig) -> None:
        server = rig.server("mx.one.test")
        await server.stop()
        for number in range(50):
            await rig.send(f"bob{number}@one.test")
        await rig.wait_for(SiteBackedOff)
        await server.start("127.0.1.1")
        await rig.wait_for(RecipientDelivered, 50, within=DAY)
        assert rig.told(SiteRecovered)

    in_rig(test)


def test_one_slow_site_does_not_delay_another() -> None:
    """Mail for a site that never answers does not keep other mail waiting."""

    async def test(rig: Rig) -> None:
        rig.lab.dialer.silent.add("127.0.1.9")
        for number in range(500):
            await rig.send(f"bob{number}@dead.test")
        await rig.send("bob@one.test")
        (event,) = await rig.wait_for(RecipientDelivered)
        assert event.delay < 1.0

    in_rig(test)


def test_421_slows_a_site_down_without_losing_mail() -> None:
    """A server that closes with 421 gets fewer connections; its recipients are deferred."""

    async def test(rig: Rig) -> None:
        messages = [await rig.send("421@one.test") for number in range(30)]
        await rig.wait_for(RecipientDeferred, 30)
        assert rig.told(SiteBackedOff)
        assert rig.server("mx.one.test").connections <= 12
        assert {await rig.state(message) for message in messages} == {S.QUEUED}

    in_rig(test)


def test_a_message_expires_after_five_days() -> None:
    """A recipient that is deferred for five days bounces then, not before and not much later."""

    async def test(rig: Rig) -> None:
        message = await rig.send("defer450@one.test")
        (event,) = await rig.wait_for(RecipientBounced, within=6 * DAY)
        assert 5 * DAY <= event.delay < 5 * DAY + 3600
        assert await rig.state(message) is S.BOUNCED

    in_rig(test)


def test_a_null_sender_expires_after_two_days() -> None:
    """A notification that cannot be delivered is given up earlier, and nobody is told."""

    async def test(rig: Rig) -> None:
        await rig.send("defer450@one.test", sender=None)
        (event,) = await rig.wait_for(RecipientBounced, within=6 * DAY)
        assert 2 * DAY <= event.delay < 2 * DAY + 3600

    in_rig(test)


def test_nothing_expires_untried_when_the_clock_jumps_forward() -> None:
    """A year forward makes mail due, but a site that is left alone bounces nothing for it."""

    async def test(rig: Rig) -> None:
        for number in range(10):
            await rig.send(f"bob{number}@dead.test")
        await rig.wait_for(RecipientDeferred, 10)
        rig.lab.clock.jump(365 * DAY)
        await asyncio.sleep(30)
        assert not rig.told(RecipientBounced)

    in_rig(test)


def test_nobody_waits_longer_when_the_clock_goes_back() -> None:
    """A day back does not delay a retry by a day."""

    async def test(rig: Rig) -> None:
        await rig.send("defer-1-times@one.test")
        await rig.wait_for(RecipientDeferred)
        rig.lab.clock.jump(-DAY)
        await rig.wait_for(RecipientDelivered, within=1000)

    in_rig(test)


def test_a_clock_that_went_back_while_we_did_not_run_delays_nothing() -> None:
    """What was deferred by a wrong clock is tried within the longest wait after a restart."""
    disk = MemoryDisk()

    async def before(rig: Rig) -> None:
        await rig.send("defer@one.test")
        await rig.wait_for(RecipientDeferred)

    async def after(rig: Rig) -> None:
        await rig.wait_for(RecipientDeferred, within=QueueSettings().max_retry + 60)

    in_rig(before, disk=disk, start=1_790_000_000.0 + 30 * DAY)
    in_rig(after, disk=disk, start=1_790_000_000.0)


def test_delivery_stands_still_while_results_cannot_be_recorded() -> None:
    """When the store fails after a delivery, nothing else is sent until the result is on disk."""
    failing: list[FailingStore] = []

    def wrap(store: Any) -> Any:
        failing.append(FailingStore(store))
        return failing[0]

    async def test(rig: Rig) -> None:
        first = await rig.send("slow-30s@one.test")
        await asyncio.sleep(10)
        for number in range(1, 6):
            failing[0].fail("commit", StoreUnavailable("the disk is gone"), on=number)
        await rig.wait_for(RecipientDelivered)
        await asyncio.sleep(1)
        assert rig.told(StoreFailed)
        assert rig.deliverer.status().is_store_down
        assert await rig.state(first) is S.IN_FLIGHT
        await rig.wait_for(StoreRecovered)
        assert await rig.state(first) is S.DELIVERED
        await rig.send("bob@one.test")
        await rig.wait_for(RecipientDelivered, 2)
        assert len(rig.server("mx.one.test").messages) == 2

    in_rig(test, wrap=wrap)


def test_a_message_that_crashes_us_three_times_is_held() -> None:
    """What was in flight at three crashes, while it was tried alone, is held; others flow."""
    disk = MemoryDisk()

    async def crash(rig: Rig, number: int) -> None:
        if number == 0:
            await rig.send("slow-dot-3600s@one.test")
        await asyncio.sleep(5)
        rig.memory._is_open = False  # the process dies here: nothing reaches the disk
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(1)
        await rig.lab.__aexit__(None, None, None)
        await asyncio.sleep(1)

    async def life(number: int) -> None:
        rig = Rig(disk=disk)
        await rig.__aenter__()
        await crash(rig, number)

    for number in range(4):
        run_virtual(life(number))

    async def test(rig: Rig) -> None:
        (event,) = await rig.wait_for(RecipientHeld)
        assert "3 times" in event.reason
        await rig.send("bob@one.test")
        await rig.wait_for(RecipientDelivered)

    in_rig(test, disk=disk)


def test_an_operator_can_hold_release_and_retry() -> None:
    """What is held is not tried; what is released or made due is tried at once."""

    async def change(rig: Rig, what: Change) -> None:
        changed = await rig.memory.change(Selection(), what, now=rig.lab.clock.now())
        rig.deliverer.changed(changed)

    async def test(rig: Rig) -> None:
        rig.deliverer.pause()
        message = await rig.send("bob@one.test")
        await change(rig, Change.HOLD)
        rig.deliverer.resume()
        await asyncio.sleep(60)
        assert not rig.told(AttemptMade)
        await change(rig, Change.RELEASE)
        await rig.wait_for(RecipientDelivered)
        assert await rig.state(message) is S.DELIVERED
        await rig.send("defer-1-times@one.test")
        await rig.wait_for(RecipientDeferred)
        await change(rig, Change.RETRY)
        await rig.wait_for(RecipientDelivered, 2, within=5)

    in_rig(test)


def test_a_backlog_is_read_back_in_parts() -> None:
    """Two thousand messages go out through a memory of two hundred, and none is forgotten."""

    async def test(rig: Rig) -> None:
        rig.deliverer.pause()
        messages = [rig.message(f"bob{number}@one.test") for number in range(2_000)]
        await asyncio.gather(*(rig.group.keep(message) for message in messages))
        for message in messages:
            rig.deliverer.offer(message)
        assert rig.deliverer.status().in_memory <= 200
        rig.deliverer.resume()
        most = 0
        while len(rig.server("mx.one.test").messages) < 2_000:
            most = max(most, rig.deliverer.status().in_memory)
            await asyncio.sleep(0.05)
        assert most <= 200
        await rig.wait_for(RecipientDelivered, 2_000)

    in_rig(test, queue=QueueSettings(in_memory=200))


def test_a_line_that_is_too_long_is_never_sent() -> None:
    """RFC 5321 §4.5.3.1.6: relayed mail with such a line bounces here and is not converted."""

    async def test(rig: Rig) -> None:
        from msgspec.structs import replace

        message = replace(rig.message("bob@one.test"), has_long_lines=True)
        await rig.group.keep(message)
        rig.deliverer.offer(message)
        (event,) = await rig.wait_for(RecipientBounced)
        assert event.reply.startswith("550 5.6.0")
        assert rig.server("mx.one.test").connections == 0

    in_rig(test)


def test_a_connection_is_used_again_and_closed_when_idle() -> None:
    """Messages for one site share connections, which end some seconds after the last one."""

    async def test(rig: Rig) -> None:
        for number in range(100):
            await rig.send(f"bob{number}@one.test")
        await rig.wait_for(RecipientDelivered, 100)
        assert rig.server("mx.one.test").connections <= 20
        await asyncio.sleep(10)
        assert rig.deliverer.status().connections == 0

    in_rig(test)


def test_the_connections_of_all_sites_are_bounded() -> None:
    """With two slots for three sites, everybody's turn comes."""

    async def test(rig: Rig) -> None:
        for number in range(50):
            await rig.send(f"bob{number}@one.test")
            await rig.send(f"bob{number}@two.test")
            await rig.send(f"bob{number}@sender.test")
            assert rig.deliverer.status().connections <= 2
        await rig.wait_for(RecipientDelivered, 150, within=60)

    in_rig(test, delivery=DeliverySettings(connections=2))


def test_a_message_that_is_read_back_before_it_is_offered_goes_out_once() -> None:
    """Between its commit and our hearing of it, a message may be loaded as if it were old."""

    async def test(rig: Rig) -> None:
        message = rig.message("bob@one.test", "eve@two.test")
        single = rig.message("bob@one.test")
        for each in (message, single):
            await rig.group.keep(each)
        rig.deliverer.pause()
        rig.deliverer.changed(())  # somebody makes the scheduler look
        await asyncio.sleep(0.1)
        assert rig.deliverer.status().in_memory == 3
        for each in (message, single):
            rig.deliverer.offer(each)
        rig.deliverer.resume()
        await rig.wait_for(RecipientDelivered, 3)
        await asyncio.sleep(30)
        assert len(rig.told(RecipientDelivered)) == 3
        assert len(rig.server("mx.one.test").messages) == 2

    in_rig(test)
