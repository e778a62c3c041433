"""How connections are used in the lab: split, reused, lost while idle, ended, never made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.delivery_rig import MX, ZONE, Rig
from tests.scripted_server import Script, Talk
from tests.scripted_site import said, send, site

from pillarbox.config.settings import DeliverySettings, RouteKind, RouteSettings
from pillarbox.deliver import routes as routes_module
from pillarbox.events.types import (
    AttemptMade,
    DsnCreated,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
    RecipientUncertain,
    SiteBackedOff,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.policy.queue import RecipientState
from pillarbox.store.memory import MemoryDisk

S = RecipientState
PUBLIC = {"mx": RouteSettings(kind=RouteKind.MX, recipients=("*",))}


def in_rig(test: Callable[[Rig], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with Rig(**options) as rig:
            await test(rig)

    run_virtual(main())


# --- many recipients ----------------------------------------------------------------


def frugal_server(most: int, refusal: str) -> Script:
    """Take at most so many recipients in a transaction, and refuse the others for now."""

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING")
        taken = 0
        while verb := (await talk.hear())[:4]:
            taken = 0 if verb == "MAIL" else taken + (verb == "RCPT")
            if verb == "QUIT":
                break
            if verb == "DATA":
                await talk.say("354 go")
                await talk.content()
            await talk.say(refusal if verb == "RCPT" and taken > most else "250 2.0.0 ok")
        await talk.say("221 bye")

    return script


@pytest.mark.parametrize(
    "refusal", ["452 4.5.3 too many recipients", "452 too many recipients", "552 5.5.3 too many"]
)
def test_recipients_that_are_too_many_go_in_further_transactions(refusal: str) -> None:
    """RFC 5321 §4.5.3.1.10: the rest follows at once; nobody waits and nobody bounces."""

    async def test(rig: Rig) -> None:
        recipients = [f"bob{number}@one.test" for number in range(25)]
        async with site(rig, "127.0.1.1", frugal_server(10, refusal)) as talks:
            message = await send(rig, rig.message(*recipients))
            events = await rig.wait_for(RecipientDelivered, 25)
        assert {event.recipient for event in events} == set(recipients)
        assert max(event.delay for event in events) < 1.0
        assert not rig.told(RecipientDeferred)
        assert not rig.told(RecipientBounced)
        assert {await rig.state(message, index) for index in range(25)} == {S.DELIVERED}
        assert sum(line.startswith("MAIL") for line in said(talks)) == 3

    in_rig(test, servers=("mx.sender.test",))


def test_a_message_for_many_goes_in_transactions_of_bounded_size() -> None:
    """250 recipients of one site take transactions of at most recipients_per_message."""

    async def test(rig: Rig) -> None:
        recipients = {f"bob{number}@one.test" for number in range(250)}
        await rig.send(*recipients)
        await rig.wait_for(RecipientDelivered, 250)
        caught = rig.server("mx.one.test").messages
        sizes = [len(one.envelope.recipients) for one in caught]
        assert sorted(sizes) == [50, 100, 100]
        taken = [str(one.address) for each in caught for one in each.envelope.recipients]
        assert len(taken) == len(set(taken)) == 250
        assert set(taken) == recipients

    in_rig(test)


def test_the_bound_of_a_route_is_obeyed() -> None:
    """recipients_per_message = 1 sends each recipient a message of its own."""

    async def test(rig: Rig) -> None:
        await rig.send(*(f"bob{number}@one.test" for number in range(5)))
        await rig.wait_for(RecipientDelivered, 5)
        caught = rig.server("mx.one.test").messages
        assert [len(one.envelope.recipients) for one in caught] == [1] * 5

    route = RouteSettings(
        kind=RouteKind.MX, recipients=("*",), allow_private=True, recipients_per_message=1
    )
    in_rig(test, routes={"mx": route})


def test_the_limits_that_a_server_announces_are_obeyed() -> None:
    """LIMITS (RFC 9422): RCPTMAX bounds a transaction, MAILMAX a connection; nobody is refused."""

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING", "LIMITS RCPTMAX=10 MAILMAX=2")
        taken = mails = 0
        while verb := (await talk.hear())[:4]:
            mails += verb == "MAIL"
            taken = 0 if verb == "MAIL" else taken + (verb == "RCPT")
            if verb == "QUIT":
                break
            if verb == "DATA":
                await talk.say("354 go")
                await talk.content()
            is_over = mails > 2 or (verb == "RCPT" and taken > 10)
            await talk.say("554 5.7.1 too greedy" if is_over else "250 2.0.0 ok")
        await talk.say("221 bye")

    async def test(rig: Rig) -> None:
        recipients = [f"bob{number}@one.test" for number in range(55)]
        async with site(rig, "127.0.1.1", script) as talks:
            message = await send(rig, rig.message(*recipients))
            await rig.wait_for(RecipientDelivered, 55)
            sizes = [len(event.recipients) for event in rig.told(AttemptMade)]
            assert sorted(sizes) == [5, 10, 10, 10, 10, 10]
            await send(rig, rig.message(*recipients[:12]))
            await rig.wait_for(RecipientDelivered, 67)
        assert not rig.told(RecipientBounced)
        assert {await rig.state(message, index) for index in range(55)} == {S.DELIVERED}
        assert len(talks) >= 4

    in_rig(test, servers=("mx.sender.test",))


@pytest.mark.parametrize("code", [500, 502, 503])
def test_a_server_that_offers_chunking_in_vain_is_asked_once(code: int) -> None:
    """What BDAT cannot carry goes by DATA, and from then on that server gets DATA at once."""

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING", "CHUNKING")
        while (line := await talk.hear()) and not line.startswith("QUIT"):
            if line.startswith("BDAT"):
                await talk.reader.readexactly(int(line.split()[1]))
                await talk.say(f"{code} 5.5.1 what is that?")
                continue
            if line.startswith("DATA"):
                await talk.say("354 go")
                await talk.content()
            await talk.say("250 2.0.0 ok")
        await talk.say("221 bye")

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.1.1", script) as talks:
            for number in range(4):
                await rig.send("bob@one.test")
                await rig.wait_for(RecipientDelivered, number + 1)
                await asyncio.sleep(10)  # the connection ends meanwhile
        verbs = [line.split()[0] for line in said(talks)]
        assert (verbs.count("BDAT"), verbs.count("DATA")) == (1, 4)
        assert not rig.told(RecipientDeferred)

    in_rig(test, servers=("mx.sender.test",))


# --- connections that end while idle ------------------------------------------------


async def take_and_leave(talk: Talk) -> None:
    """Take a message and close without a word."""
    await talk.hello("PIPELINING")
    await talk.take()


async def take_and_reset(talk: Talk) -> None:
    """Take a message, and close when the next one begins."""
    await talk.hello("PIPELINING")
    await talk.take()
    await talk.hear("MAIL")
    talk.writer.transport.abort()


async def take_and_say_421(talk: Talk) -> None:
    """Take a message, and answer the next one by 421."""
    await talk.hello("PIPELINING")
    await talk.take()
    await talk.hear("MAIL")
    await talk.say("421 4.4.2 idle for too long")


async def take_one(talk: Talk) -> None:
    """Take a message and hear the goodbye."""
    await talk.hello("PIPELINING")
    await talk.take()
    await talk.goodbye()


@pytest.mark.parametrize("first", [take_and_leave, take_and_reset, take_and_say_421])
def test_a_connection_that_was_closed_while_idle_costs_nothing(first: Script) -> None:
    """The next message goes over a fresh connection: no failure, no doubt, no back-off."""

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.1.1", first, take_one) as talks:
            await send(rig, rig.message("bob@one.test"))
            await rig.wait_for(RecipientDelivered)
            message = await send(rig, rig.message("eve@one.test"))
            _, event = await rig.wait_for(RecipientDelivered, 2)
            assert event.attempt == 1
            assert event.delay < 1.0
            assert (await rig.recipient(message)).attempts == 1
            await asyncio.sleep(10)
        assert len(talks) == 2
        assert len(rig.told(AttemptMade)) == 2
        for kind in (RecipientDeferred, RecipientUncertain, SiteBackedOff):
            assert not rig.told(kind)

    in_rig(test, servers=("mx.sender.test",))


def test_what_was_sent_whole_before_the_connection_was_lost_is_uncertain() -> None:
    """With CHUNKING all goes in one flight: a reset after it leaves open what was taken."""

    async def first(talk: Talk) -> None:
        await talk.hello("PIPELINING", "CHUNKING")
        for verb in ("MAIL", "RCPT", "BDAT"):
            line = await talk.hear(verb)
        await talk.reader.readexactly(int(line.split()[1]))
        await talk.say("250 ok", "250 ok", "250 kept")
        await talk.hear("MAIL")
        talk.writer.transport.abort()

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.1.1", first, take_one):
            await send(rig, rig.message("bob@one.test"))
            await rig.wait_for(RecipientDelivered)
            message = await send(rig, rig.message("eve@one.test"))
            await rig.wait_for(RecipientUncertain)
            assert await rig.state(message) is S.UNCERTAIN
            await rig.wait_for(RecipientDelivered, 2, within=3600)
            assert await rig.state(message) is S.DELIVERED

    in_rig(test, servers=("mx.sender.test",))


# --- stopping -----------------------------------------------------------------------


def test_stopping_lets_deliveries_end_and_starts_no_more() -> None:
    """Within the grace what is under way is delivered; the rest stays queued, untouched."""
    disk = MemoryDisk()
    still_to_do: list[int] = []

    async def stopped(rig: Rig) -> None:
        messages = [await rig.send("slow-dot-5s@one.test") for _ in range(60)]
        await asyncio.sleep(2)
        await rig.deliverer.stop(30.0)
        kept = [await rig.recipient(message) for message in messages]
        done = [one for one in kept if one.state is S.DELIVERED]
        left = [one for one in kept if one.state is S.QUEUED]
        assert len(done) == len(rig.server("mx.one.test").messages) > 0
        assert len(done) + len(left) == 60
        assert len(left) > 0
        assert {(one.attempts, one.crashes) for one in left} == {(0, 0)}
        assert not rig.told(RecipientUncertain)
        assert not rig.told(RecipientDeferred)
        still_to_do.append(len(left))

    async def started_again(rig: Rig) -> None:
        events = await rig.wait_for(RecipientDelivered, still_to_do[0])
        assert {event.attempt for event in events} == {1}
        assert {kept.crashes for one in disk.messages.values() for kept in one.recipients} == {0}
        assert len(rig.server("mx.one.test").messages) == still_to_do[0]

    in_rig(stopped, disk=disk)
    in_rig(started_again, disk=disk)


def test_a_grace_that_is_too_short_loses_nothing() -> None:
    """What does not end within the grace is tried again at the next start."""
    disk = MemoryDisk()

    async def stopped(rig: Rig) -> None:
        await rig.send("slow-dot-100s@one.test")
        await asyncio.sleep(2)
        await rig.deliverer.stop(1.0)
        assert not rig.told(RecipientDelivered)
        assert not rig.told(RecipientBounced)

    async def started_again(rig: Rig) -> None:
        await rig.wait_for(RecipientDelivered, within=4 * 3600)
        (message,) = disk.messages.values()
        assert await rig.state(message) is S.DELIVERED

    in_rig(stopped, disk=disk)
    in_rig(started_again, disk=disk)


# --- mail that would loop or go inside ----------------------------------------------


INSIDE = f"""{ZONE}
us        MX 10 ours
ours      A 8.8.4.4
behind    MX 10 ours
behind    MX 20 mx.far
mx.far    A 8.8.8.8
before    MX 10 mx.far
before    MX 20 ours
lo        MX 10 mx.lo
mx.lo     A 127.0.0.1
other     MX 10 mx.other
mx.other  A 127.1.2.3
any       MX 10 mx.any
mx.any    A 0.0.0.0
private   MX 10 mx.private
mx.private A 10.0.0.1
link      MX 10 mx.link
mx.link   A 169.254.169.254
mapped    MX 10 mx.mapped
mx.mapped AAAA ::ffff:10.0.0.1
six       MX 10 mx.six
mx.six    AAAA ::1
implicit  A 192.168.1.1
"""


@pytest.mark.parametrize(
    ("domain", "reply"),
    [
        ("us.test", "554 5.4.6"),
        ("behind.test", "554 5.4.6"),
        ("lo.test", "554 5.4.6"),
        ("other.test", "554 5.4.6"),
        ("any.test", "554 5.4.6"),
        ("six.test", "554 5.4.6"),
        ("[127.0.0.1]", "554 5.4.6"),
        ("private.test", "550 5.4.4"),
        ("link.test", "550 5.4.4"),
        ("mapped.test", "550 5.4.4"),
        ("implicit.test", "550 5.4.4"),
        ("[10.0.0.1]", "550 5.4.4"),
        ("[IPv6:fe80::1]", "550 5.4.4"),
    ],
)
def test_mail_to_ourselves_or_to_machines_inside_bounces_undialed(domain: str, reply: str) -> None:
    """RFC 5321 §5.1: no connection is made to us, and none into private networks."""

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message(f"bob@{domain}", sender=None))
        (event,) = await rig.wait_for(RecipientBounced)
        assert event.reply.startswith(reply)
        assert await rig.state(message) is S.BOUNCED
        assert not rig.lab.dialer.dialed
        assert not rig.told(DsnCreated)

    in_rig(test, zone=INSIDE, routes=PUBLIC, servers=())


def test_as_a_backup_we_try_only_the_exchangers_before_us() -> None:
    """RFC 5321 §5.1: exchangers with a lower number than ours are tried, and mail waits."""

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message("bob@before.test"))
        await rig.wait_for(RecipientDeferred)
        assert set(rig.lab.dialer.dialed) == {("8.8.8.8", 25)}
        assert await rig.state(message) is S.QUEUED

    in_rig(test, zone=INSIDE, routes=PUBLIC, servers=())


def test_private_exchangers_are_used_where_the_route_allows_it() -> None:
    """allow_private is for networks of one's own."""

    async def test(rig: Rig) -> None:
        await send(rig, rig.message("bob@private.test"))
        await rig.wait_for(RecipientDeferred)
        assert ("10.0.0.1", 25) in rig.lab.dialer.dialed

    in_rig(test, zone=INSIDE, routes={"mx": MX}, servers=())


def test_sites_that_cannot_be_reached_are_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail to ever new dead domains fills no memory: what is known of a failure ends with it."""
    monkeypatch.setattr(routes_module, "_MOST_SITES", 2)
    names = [f"dead{number}" for number in range(6)]
    records = "".join(f"{name} MX 10 mx.{name}\nmx.{name} A 127.0.1.9\n" for name in names)

    async def test(rig: Rig) -> None:
        for count, name in enumerate(names, 1):
            await rig.send(f"bob@{name}.test")
            await rig.wait_for(RecipientDeferred, count)
            await asyncio.sleep(10.0)  # longer than the site is left alone
        assert len(rig.deliverer.status().sites) <= 2

    delivery = DeliverySettings(site_backoff=2.0)
    in_rig(test, zone=ZONE + records, delivery=delivery)
