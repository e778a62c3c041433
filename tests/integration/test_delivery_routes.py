"""Every kind of route in the lab: LMTP, smart hosts, hold, discard, and what is no route."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
import trustme
from tests.delivery_rig import MX, ZONE, Rig
from tests.scripted_server import Script, Talk, serve
from tests.scripted_site import allow_socket, said, send, site

from pillarbox.config.settings import RouteKind, RouteSettings, TlsMode
from pillarbox.events.encode import encode
from pillarbox.events.types import (
    AttemptMade,
    MessageDamaged,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    RecipientUncertain,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.policy.queue import RecipientState
from pillarbox.store.port import INLINE_BODY, Change, Selection, Way

S = RecipientState
PASSWORD = "correct horse"
RELAY_ZONE = f"{ZONE}relay A 127.0.4.1\n"


def in_rig(test: Callable[[Rig], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with Rig(**options) as rig:
            await test(rig)

    run_virtual(main())


def only(route: RouteSettings) -> dict[str, RouteSettings]:
    return {"mx": MX, "store": route}


# --- LMTP (RFC 2033) ----------------------------------------------------------------


async def mail_store(talk: Talk) -> None:
    """Take three recipients, and answer differently for each of them after the dot."""
    await talk.say("220 store.test LMTP")
    await talk.hear("LHLO")
    await talk.say("250-store.test", "250-PIPELINING", "250 ENHANCEDSTATUSCODES")
    for verb in ("MAIL", "RCPT", "RCPT", "RCPT"):
        await talk.hear(verb)
        await talk.say("250 2.1.0 ok")
    await talk.hear("DATA")
    await talk.say("354 go")
    await talk.content()
    await talk.say("250 2.0.0 kept", "550 5.2.1 mailbox disabled", "452 4.2.2 mailbox full")
    await talk.goodbye()


async def check_mail_store(rig: Rig) -> None:
    message = rig.message("ann@store.test", "bob@store.test", "eve@store.test")
    message = await send(rig, message, route="store")
    await rig.wait_for(RecipientDeferred)
    states = [await rig.state(message, index) for index in range(3)]
    assert states == [S.DELIVERED, S.BOUNCED, S.QUEUED]
    (bounced,) = rig.told(RecipientBounced)
    assert (bounced.recipient, bounced.stage) == ("bob@store.test", "final")
    (deferred,) = rig.told(RecipientDeferred)
    assert (deferred.recipient, deferred.reply) == ("eve@store.test", "452 4.2.2 mailbox full")


def test_lmtp_gives_each_recipient_its_own_result_after_the_dot() -> None:
    """RFC 2033 §4.2: one is delivered, one bounces, one stays queued, by one content."""

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.4.1", mail_store, port=2424):
            await check_mail_store(rig)

    in_rig(test, routes=only(RouteSettings(kind=RouteKind.LMTP, host="127.0.4.1:2424")))


def test_lmtp_over_a_unix_socket_does_the_same(tmp_path: Path) -> None:
    """A route may name a socket in the file system; results are per recipient there too."""
    path = tmp_path / "lmtp"

    async def test(rig: Rig) -> None:
        allow_socket(rig, str(path))
        async with serve(mail_store, path=path):
            await check_mail_store(rig)

    in_rig(test, routes=only(RouteSettings(kind=RouteKind.LMTP, host=str(path))))


def test_lmtp_leaves_open_only_what_got_no_reply() -> None:
    """A connection lost between the replies is uncertain for the recipients behind it alone."""

    async def dies(talk: Talk) -> None:
        await talk.say("220 store.test LMTP")
        await talk.hear("LHLO")
        await talk.say("250 store.test")
        for verb in ("MAIL", "RCPT", "RCPT", "RCPT"):
            await talk.hear(verb)
            await talk.say("250 ok")
        await talk.hear("DATA")
        await talk.say("354 go")
        await talk.content()
        await talk.say("250 kept", "550 5.2.1 mailbox disabled")

    async def takes_one(talk: Talk) -> None:
        await talk.say("220 store.test LMTP")
        await talk.hear("LHLO")
        await talk.say("250 store.test")
        assert b"Hello." in await talk.take()
        assert talk.heard[2] == b"RCPT TO:<eve@store.test>\r\n"
        await talk.goodbye()

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.4.1", dies, takes_one, port=24):
            message = rig.message("ann@store.test", "bob@store.test", "eve@store.test")
            message = await send(rig, message, route="store")
            (event,) = await rig.wait_for(RecipientUncertain)
            assert event.recipient == "eve@store.test"
            states = [await rig.state(message, index) for index in range(3)]
            assert states == [S.DELIVERED, S.BOUNCED, S.UNCERTAIN]
            await rig.wait_for(RecipientDelivered, 3, within=3600)
            await asyncio.sleep(10)

    in_rig(test, routes=only(RouteSettings(kind=RouteKind.LMTP, host="127.0.4.1")))


def test_a_mail_store_that_is_down_keeps_its_mail_queued() -> None:
    """Nobody at the socket is no reason to bounce anything."""

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message("ann@store.test"), route="store")
        (event,) = await rig.wait_for(RecipientDeferred)
        assert "127.0.4.1 port 24" in event.reason
        assert await rig.state(message) is S.QUEUED

    in_rig(test, routes=only(RouteSettings(kind=RouteKind.LMTP, host="127.0.4.1")))


# --- smart hosts --------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    """Its certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def context_for(authority: trustme.CA, name: str) -> SSLContext:
    context = SSLContext(PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def relay(trusted: Path, **options: Any) -> dict[str, RouteSettings]:
    settings: dict[str, Any] = {
        "kind": RouteKind.SMART_HOST,
        "host": "relay.test",
        "tls": TlsMode.STARTTLS,
        "tls_ca": trusted,
        "user": "ours",
        "password": PASSWORD,
        **options,
    }
    return only(RouteSettings(**settings))


def take_login(mechanisms: str) -> Script:
    """Offer AUTH inside of TLS, take the right password only, then one message."""

    async def script(talk: Talk) -> None:
        await talk.ehlo(f"AUTH {mechanisms}")
        if not await log_in(talk):
            await talk.say("535 5.7.8 wrong")
        else:
            await talk.say("235 2.7.0 welcome")
            await talk.take()
        await talk.goodbye()

    return script


async def log_in(talk: Talk) -> bool:
    """Run the exchange of PLAIN or LOGIN; return whether it is the right password."""
    _, mechanism, *initial = (await talk.hear("AUTH")).split(" ")
    if mechanism == "PLAIN":
        (response,) = initial
        return b64decode(response) == f"\0ours\0{PASSWORD}".encode()
    answers = []
    for prompt in (b"Username:", b"Password:"):
        await talk.say(f"334 {b64encode(prompt).decode()}")
        answers.append(b64decode(await talk.hear()))
    return answers == [b"ours", PASSWORD.encode()]


def after_starttls(context: SSLContext, then: Script) -> Script:
    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS", "AUTH PLAIN LOGIN")
        await talk.secure(context)
        await then(talk)

    return script


async def hears_nothing(talk: Talk) -> None:
    """Offer AUTH in the clear, and see the client leave."""
    await talk.hello("AUTH PLAIN LOGIN")
    assert await talk.reader.read() in {b"", b"QUIT\r\n"}


def assert_secret(rig: Rig) -> None:
    """Nothing that was told holds the password, in any form that AUTH has for it."""
    encoded = b"".join(map(encode, rig.events))
    plain = b64encode(f"\0ours\0{PASSWORD}".encode())
    for secret in (PASSWORD.encode(), b64encode(PASSWORD.encode()), plain):
        assert secret not in encoded


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN"])
def test_a_smart_host_gets_our_password_inside_of_verified_tls(
    mechanisms: str, authority: trustme.CA, trusted: Path
) -> None:
    """STARTTLS verified by tls_ca, then AUTH by what is offered, then the mail."""

    async def test(rig: Rig) -> None:
        script = after_starttls(context_for(authority, "relay.test"), take_login(mechanisms))
        async with site(rig, "127.0.4.1", script) as talks:
            message = await send(rig, rig.message("bob@far.test"), route="store")
            await rig.wait_for(RecipientDelivered)
        assert await rig.state(message) is S.DELIVERED
        (attempt,) = rig.told(AttemptMade)
        assert attempt.tls.startswith("TLSv1.")
        assert f"AUTH {mechanisms.split(maxsplit=1)[0]}" in "\n".join(said(talks))
        assert_secret(rig)

    in_rig(test, zone=RELAY_ZONE, routes=relay(trusted))


def test_a_smart_host_with_tls_from_the_first_octet(authority: trustme.CA, trusted: Path) -> None:
    """Mode implicit dials port 465 (RFC 8314) and verifies before anything is said."""

    async def test(rig: Rig) -> None:
        async def script(talk: Talk) -> None:
            await talk.writer.start_tls(context_for(authority, "relay.test"))
            await talk.say("220 relay.test ESMTP")
            await take_login("PLAIN")(talk)

        async with site(rig, "127.0.4.1", script, port=465):
            await send(rig, rig.message("bob@far.test"), route="store")
            await rig.wait_for(RecipientDelivered)
        assert rig.lab.dialer.dialed == [("127.0.4.1", 465)]
        assert_secret(rig)

    in_rig(test, zone=RELAY_ZONE, routes=relay(trusted, tls=TlsMode.IMPLICIT))


def test_a_certificate_for_another_name_defers_and_nothing_goes_in_the_clear(
    authority: trustme.CA, trusted: Path
) -> None:
    """Neither password nor mail is sent to who cannot prove to be the smart host."""

    async def test(rig: Rig) -> None:
        script = after_starttls(context_for(authority, "other.test"), take_login("PLAIN"))
        async with site(rig, "127.0.4.1", script) as talks:
            message = await send(rig, rig.message("bob@far.test"), route="store")
            (event,) = await rig.wait_for(RecipientDeferred)
            assert event.stage == "tls"
            assert "certificate not valid for relay.test" in event.reason
            assert await rig.state(message) is S.QUEUED
        assert {line.split()[0] for line in said(talks)} <= {"EHLO", "STARTTLS"}

    in_rig(test, zone=RELAY_ZONE, routes=relay(trusted))


def test_a_smart_host_without_tls_gets_neither_password_nor_mail(trusted: Path) -> None:
    """Where STARTTLS is missing in mode starttls, mail waits (RFC 8314 §5)."""

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.4.1", hears_nothing) as talks:
            message = await send(rig, rig.message("bob@far.test"), route="store")
            (event,) = await rig.wait_for(RecipientDeferred)
            assert "does not offer STARTTLS" in event.reason
            assert await rig.state(message) is S.QUEUED
        assert said(talks) == ["EHLO ours.test"]

    in_rig(test, zone=RELAY_ZONE, routes=relay(trusted))


def test_mode_none_sends_no_password_over_the_network(trusted: Path) -> None:
    """Without TLS a password goes to loopback only; to anything else the mail waits."""

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.4.1", hears_nothing):
            await send(rig, rig.message("bob@far.test"), route="store")
            (event,) = await rig.wait_for(RecipientDeferred)
            assert event.reason == "no password is sent without TLS"

    in_rig(test, zone=RELAY_ZONE, routes=relay(trusted, tls=TlsMode.NONE))


def test_a_wrong_password_defers_and_bounces_nothing(authority: trustme.CA, trusted: Path) -> None:
    """535 is the operator's mistake: hours later all mail is still queued."""

    async def test(rig: Rig) -> None:
        script = after_starttls(context_for(authority, "relay.test"), take_login("PLAIN"))
        async with site(rig, "127.0.4.1", script):
            messages = [
                await send(rig, rig.message(f"bob{number}@far.test"), route="store")
                for number in range(5)
            ]
            await rig.wait_for(RecipientDeferred, 5)
            await asyncio.sleep(6 * 3600)
            states = {await rig.state(message) for message in messages}
        assert states <= {S.QUEUED, S.IN_FLIGHT}
        assert not rig.told(RecipientBounced)
        assert any("535 5.7.8" in event.reason for event in rig.told(RecipientDeferred))
        encoded = b"".join(map(encode, rig.events))
        assert b"wrong horse" not in encoded
        assert b64encode(b"\0ours\0wrong horse") not in encoded

    in_rig(test, zone=RELAY_ZONE, routes=relay(trusted, password="wrong horse"))


# --- discard and hold ---------------------------------------------------------------


def test_discard_counts_as_delivered() -> None:
    """What takes a discard route is over at once, and nothing is dialed."""

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message("bob@far.test", "eve@one.test"), route="store")
        events = await rig.wait_for(RecipientDelivered, 2)
        assert {event.host for event in events} == {"discard"}
        assert [await rig.state(message, index) for index in range(2)] == [S.DELIVERED] * 2
        assert not rig.lab.dialer.dialed

    in_rig(test, routes=only(RouteSettings(kind=RouteKind.DISCARD)))


def test_a_hold_route_keeps_mail_back() -> None:
    """What takes a hold route is held, with a reason, and nothing is attempted for a day."""

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message("bob@one.test"), route="store")
        (event,) = await rig.wait_for(RecipientHeld)
        assert event.reason == "route store holds mail"
        await asyncio.sleep(86_400)
        assert await rig.state(message) is S.HELD
        assert not rig.told(AttemptMade)
        assert len(rig.told(RecipientHeld)) == 1

    in_rig(test, routes=only(RouteSettings(kind=RouteKind.HOLD)))


def test_released_mail_goes_where_its_route_leads_by_then() -> None:
    """What a hold route kept is delivered once the route is another kind and it is released."""
    routes = only(RouteSettings(kind=RouteKind.HOLD))

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message("bob@one.test"), route="store")
        await rig.wait_for(RecipientHeld)
        routes["store"] = MX
        changed = await rig.memory.change(Selection(), Change.RELEASE, now=rig.lab.clock.now())
        rig.deliverer.changed(changed)
        await rig.wait_for(RecipientDelivered, within=5)
        assert await rig.state(message) is S.DELIVERED

    in_rig(test, routes=routes)


def test_held_mail_is_released_to_another_route() -> None:
    """What a hold route kept is delivered by the route that it is released to."""

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message("bob@one.test"), route="store")
        await rig.wait_for(RecipientHeld)
        changed = await rig.memory.change(
            Selection(), Change.RELEASE, now=rig.lab.clock.now(), way=Way("mx", "")
        )
        rig.deliverer.changed(changed)
        (event,) = await rig.wait_for(RecipientDelivered, within=5)
        assert event.route == "mx"
        assert await rig.state(message) is S.DELIVERED

    in_rig(test, routes={"mx": MX, "store": RouteSettings(kind=RouteKind.HOLD)})


def test_mail_that_waits_is_tried_by_another_route_at_once() -> None:
    """A retry by another route takes what waits in memory with it: it goes out once."""

    async def test(rig: Rig) -> None:
        rig.deliverer.pause()
        messages = [await rig.send(f"bob{number}@one.test") for number in range(3)]
        changed = await rig.memory.change(
            Selection(), Change.RETRY, now=rig.lab.clock.now(), way=Way("other", "")
        )
        rig.deliverer.changed(changed)
        rig.deliverer.resume()
        events = await rig.wait_for(RecipientDelivered, 3)
        assert {event.route for event in events} == {"other"}
        assert [await rig.state(message) for message in messages] == [S.DELIVERED] * 3
        assert len(rig.server("mx.one.test").messages) == 3

    in_rig(test, routes={"mx": MX, "other": MX})


@pytest.mark.parametrize("route", ["gone", ""])
def test_mail_without_a_route_waits(route: str) -> None:
    """A route that the configuration lost, or none at all, defers with 451 4.3.5."""

    async def test(rig: Rig) -> None:
        message = await send(rig, rig.message("bob@one.test"), route=route)
        (event,) = await rig.wait_for(RecipientDeferred)
        assert event.reply.startswith("451 4.3.5")
        assert await rig.state(message) is S.QUEUED
        await asyncio.sleep(6 * 3600)
        assert not rig.told(RecipientBounced)
        await rig.send("eve@one.test")
        await rig.wait_for(RecipientDelivered)

    in_rig(test)


# --- damage -------------------------------------------------------------------------


def test_a_damaged_content_is_held_and_the_rest_flows() -> None:
    """A body that does not match its checksum is not sent, bounces nothing, and is told."""

    async def test(rig: Rig) -> None:
        rig.deliverer.pause()
        message = rig.message("bob@one.test")
        await rig.group.keep(message)
        body = rig.disk.bodies[message.id]
        body[-1] = body[-1][:-3] + b"?" + body[-1][-2:]
        others = [await rig.send(f"eve{number}@one.test") for number in range(3)]
        rig.deliverer.resume()
        await rig.wait_for(RecipientDelivered, 3)
        await rig.wait_for(MessageDamaged)
        assert await rig.state(message) is S.HELD
        assert {await rig.state(other) for other in others} == {S.DELIVERED}
        assert len(rig.server("mx.one.test").messages) == 3
        assert not rig.told(RecipientBounced)

    in_rig(test)


def test_a_large_damaged_content_is_held_and_the_rest_flows() -> None:
    """What turns out to be damaged while it is sent breaks off there, and is held."""

    async def test(rig: Rig) -> None:
        rig.deliverer.pause()
        content = b"Subject: hello\r\n\r\n" + b"0123456789\r\n" * 25_000
        message = rig.message("bob@one.test", content=content, is_large=True)
        for number, start in enumerate(range(0, len(content), INLINE_BODY)):
            await rig.memory.write_chunk(message.id, number, content[start : start + INLINE_BODY])
        await rig.group.keep(message)
        body = rig.disk.bodies[message.id]
        body[-1] = body[-1][:-3] + b"?" + body[-1][-2:]
        others = [await rig.send(f"eve{number}@one.test") for number in range(3)]
        rig.deliverer.resume()
        await rig.wait_for(RecipientDelivered, 3)
        await rig.wait_for(MessageDamaged)
        assert await rig.state(message) is S.HELD
        assert {await rig.state(other) for other in others} == {S.DELIVERED}
        assert len(rig.server("mx.one.test").messages) == 3
        assert not rig.told(RecipientBounced)

    in_rig(test)
