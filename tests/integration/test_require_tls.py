"""REQUIRETLS and TLS-Required: No, from the listener to the next hop (RFC 8689)."""

from __future__ import annotations

import smtplib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.delivery_rig import Rig
from tests.integration.test_delivery_security import (
    ADDRESS,
    FITS,
    HOST,
    LEAF,
    MISFITS,
    OTHER_LEAF,
    OURS,
    SIGNED,
    STS,
    ZONE,
    Pages,
    context,
    dane,
    garbled,
    in_rig,
    secure,
    stripped,
)
from tests.receiving import Rig as Receiving, any_certificate, listener, receiving
from tests.scripted_server import Script, Talk
from tests.scripted_site import said, site

from pillarbox.config.settings import (
    DeliverySettings,
    ListenerKind,
    RouteKind,
    RouteSettings,
    TlsDomainSettings,
    TlsMode,
    TlsPolicy,
)
from pillarbox.events.types import (
    DsnCreated,
    MessageAccepted,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.smtp.envelope import Ret, TlsRequired
from pillarbox.store.ids import parse_id
from pillarbox.store.port import KeptMessage

CONTENT = b"From: x@third.test\r\nSubject: hello\r\n%s\r\nHello.\r\n"
SIGNED_ZONE = f"{ZONE}{SIGNED}"


def requires(leaf: Any = LEAF, *, offers: str = "REQUIRETLS") -> Script:
    """Offer REQUIRETLS inside of TLS, and take a message."""

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS")
        await talk.secure(context(leaf))
        await talk.ehlo(offers, "DSN")
        await talk.take()
        await talk.goodbye()

    return script


def without(leaf: Any = LEAF) -> Script:
    """Offer TLS, and no REQUIRETLS inside of it."""

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS")
        await talk.secure(context(leaf))
        await talk.ehlo()
        await talk.goodbye()

    return script


async def in_routes(test: Callable[[Rig], Awaitable[None]], **routes: RouteSettings) -> None:
    """Run a test in a rig with these routes."""
    async with Rig(routes=routes) as rig:
        await test(rig)


async def send(rig: Rig, required: TlsRequired, **asked: Any) -> KeptMessage:
    """Have a message committed and offered whose sender asks this of TLS."""
    message = rig.message("bob@one.test")
    kept = tuple(
        structs.replace(each, queue=structs.replace(each.queue, route=next(iter(rig.routes))))
        for each in message.recipients
    )
    message = structs.replace(
        message,
        envelope=structs.replace(message.envelope, tls_required=required, **asked),
        recipients=tuple(structs.replace(each, queue=each.queue.apart(required)) for each in kept),
    )
    await rig.group.keep(message)
    rig.deliverer.offer(message)
    return message


@pytest.fixture
def trust(tmp_path: Path) -> DeliverySettings:
    """Settings that trust our authority."""
    path = tmp_path / "ca.pem"
    OURS.cert_pem.write_to_path(str(path))
    return DeliverySettings(tls_ca=path)


# --- as a server ------------------------------------------------------------------------

LISTENERS = {
    "mx": listener(),
    "submission": listener(ListenerKind.SUBMISSION, trusted_networks=("127.0.0.1",)),
    "submissions": listener(ListenerKind.SUBMISSIONS, trusted_networks=("127.0.0.1",)),
}


def client_of(rig: Receiving, name: str) -> smtplib.SMTP:
    """Connect to a listener, with TLS."""
    if name == "submissions":
        return smtplib.SMTP_SSL(*rig.address(name), timeout=10, context=any_certificate())
    client = smtplib.SMTP(*rig.address(name), timeout=10)
    client.starttls(context=any_certificate())
    return client


@pytest.mark.parametrize("name", LISTENERS)
def test_requiretls_is_offered_inside_of_tls_and_kept(name: str) -> None:
    """RFC 8689 §2: the message carries it to the queue; without TLS it cannot be asked for."""
    with receiving(LISTENERS) as rig:
        with client_of(rig, name) as client:
            client.ehlo("client.test")
            assert client.has_extn("requiretls")
            assert client.docmd("MAIL FROM:<x@third.test> REQUIRETLS=yes")[0] == 501
            client.sendmail("x@third.test", "ann@local.test", CONTENT % b"", ["REQUIRETLS"])
            client.sendmail("x@third.test", "ann@local.test", CONTENT % b"")
        first, second = rig.kept
        assert first.envelope.tls_required is TlsRequired.YES
        assert first.recipients[0].queue.tls_required is TlsRequired.YES
        assert second.envelope.tls_required is TlsRequired.BY_POLICY
        assert second.recipients[0].queue.lane == ""
        if name != "submissions":
            with smtplib.SMTP(*rig.address(name), timeout=10) as client:
                client.ehlo("client.test")
                assert not client.has_extn("requiretls")
                assert client.docmd("MAIL FROM:<x@third.test> REQUIRETLS")[0] == 555


@pytest.mark.parametrize(
    ("field", "parameters", "expected"),
    [
        (b"TLS-Required: No\r\n", [], TlsRequired.NO),
        (b"tls-required:  nO \r\n", [], TlsRequired.NO),
        (b"TLS-Required: No\r\n", ["REQUIRETLS"], TlsRequired.YES),
        (b"TLS-Required: Yes\r\n", [], TlsRequired.BY_POLICY),
        (b"TLS-Required: No\r\nTLS-Required: No\r\n", [], TlsRequired.BY_POLICY),
    ],
)
@pytest.mark.parametrize("size", [0, 200_000], ids=["small", "large"])
def test_a_message_can_say_that_tls_is_not_required(
    field: bytes, parameters: list[str], expected: TlsRequired, size: int
) -> None:
    """RFC 8689 §3: by a header field with one value; REQUIRETLS goes before it."""
    with receiving(LISTENERS) as rig:
        with client_of(rig, "submission") as client:
            content = CONTENT % field + b"A line.\r\n" * (size // 9)
            client.sendmail("x@third.test", "ann@local.test", content, parameters)
        (kept,) = rig.kept
        assert rig.named(MessageAccepted)
    assert kept.envelope.tls_required is expected
    assert kept.recipients[0].queue.tls_required is expected


# --- as a client: REQUIRETLS ---------------------------------------------------------------


def takes(*scripts: Script, **options: Any) -> None:
    """Expect a message with REQUIRETLS to be passed on with it."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, *scripts) as talks:
            await send(rig, TlsRequired.YES)
            await rig.wait_for(RecipientDelivered)
        (mail,) = [line for line in said(talks) if line.startswith("MAIL")]
        assert mail.endswith(" REQUIRETLS")

    in_rig(test, **options)


def bounces(*scripts: Script, code: str, **options: Any) -> None:
    """Expect a message with REQUIRETLS to come back, and never to be seen by the server."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, *scripts) as talks:
            await send(rig, TlsRequired.YES)
            event, *_ = await rig.wait_for(RecipientBounced)
            assert event.reply.startswith(f"550 {code} ")
            assert {line.split()[0] for line in said(talks)} <= {"EHLO", "STARTTLS", "QUIT"}
        assert rig.told(DsnCreated)

    in_rig(test, **options)


def test_mail_with_requiretls_goes_where_dane_vouches() -> None:
    """RFC 8689 §4.2.1: the certificate fits a TLSA record, and REQUIRETLS is offered."""
    takes(requires(), zone=dane(FITS))


def test_mail_with_requiretls_goes_where_an_authority_vouches(trust: DeliverySettings) -> None:
    """Of the host by its certificate; of its name by signed MX records or an MTA-STS policy."""
    takes(requires(), zone=SIGNED_ZONE, delivery=trust)
    takes(requires(), zone=STS, delivery=trust, fetcher=Pages())


@pytest.mark.parametrize("policy", [TlsPolicy.NONE, TlsPolicy.MAY, TlsPolicy.ENCRYPT])
def test_no_configured_policy_is_an_excuse(trust: DeliverySettings, policy: TlsPolicy) -> None:
    """What the operator asks of a destination cannot make it less."""
    domains = {"one.test": TlsDomainSettings(policy=policy)}
    takes(requires(), zone=SIGNED_ZONE, delivery=trust, tls_domains=domains)
    bounces(stripped, code="5.7.10", zone=SIGNED_ZONE, delivery=trust, tls_domains=domains)


@pytest.mark.parametrize(
    ("script", "zone", "code"),
    [
        (without(), SIGNED_ZONE, "5.7.30"),
        (stripped, SIGNED_ZONE, "5.7.10"),
        (requires(OTHER_LEAF), SIGNED_ZONE, "5.7.10"),
        (requires(OURS.issue_cert("else.test")), SIGNED_ZONE, "5.7.10"),
        (requires(), ZONE, "5.7.10"),
        (requires(), dane(MISFITS), "5.7.10"),
        (without(), dane(FITS), "5.7.30"),
    ],
    ids=[
        "no REQUIRETLS",
        "no STARTTLS",
        "unknown authority",
        "other name",
        "nobody signed its MX",
        "no TLSA record fits",
        "DANE without REQUIRETLS",
    ],
)
def test_mail_with_requiretls_comes_back_where_it_cannot_be_had(
    trust: DeliverySettings, script: Script, zone: str, code: str
) -> None:
    """RFC 8689 §4.2.1: 5.7.30 without its support, 5.7.10 without TLS to whom it is for."""
    bounces(script, code=code, zone=zone, delivery=trust)


def test_mail_with_requiretls_waits_for_what_may_come_back(trust: DeliverySettings) -> None:
    """Neither a host that is down, nor a broken handshake, nor silent DNS is final."""

    async def unreachable(rig: Rig) -> None:
        await rig.server(HOST).stop()
        await send(rig, TlsRequired.YES)
        await rig.wait_for(RecipientDeferred)

    in_rig(unreachable, zone=SIGNED_ZONE, delivery=trust)

    async def broken(rig: Rig) -> None:
        async with site(rig, ADDRESS, garbled):
            await send(rig, TlsRequired.YES)
            await rig.wait_for(RecipientDeferred)

    in_rig(broken, zone=SIGNED_ZONE, delivery=trust)

    async def silent(rig: Rig) -> None:
        await send(rig, TlsRequired.YES)
        await rig.wait_for(RecipientDeferred)

    in_rig(silent, zone=f"{dane(FITS)};! fail _25._tcp.mx.one.test\n", delivery=trust)


def test_the_next_host_is_tried_where_one_lacks_requiretls(trust: DeliverySettings) -> None:
    """RFC 8689 §4.2.1: in the order of preference, as for any other failure."""
    zone = f"{SIGNED_ZONE}one MX 20 mx.other\nmx.other A 127.0.1.5\n;! signed other.test\n"
    other = requires(OURS.issue_cert("mx.other.test"))

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, without()) as first, site(rig, "127.0.1.5", other) as second:
            await send(rig, TlsRequired.YES)
            await rig.wait_for(RecipientDelivered)
        assert said(first)[-1] == "QUIT"
        assert [line for line in said(second) if line.endswith(" REQUIRETLS")]

    in_rig(test, zone=zone, delivery=trust)


def test_a_smart_host_has_to_offer_requiretls_over_verified_tls(trust: DeliverySettings) -> None:
    """Whatever TLS the route asks for otherwise."""
    for script, code in [(requires(), ""), (without(), "5.7.30"), (stripped, "5.7.10")]:
        route = RouteSettings(
            kind=RouteKind.SMART_HOST, host=f"{HOST}:25", tls=TlsMode.NONE, tls_ca=trust.tls_ca
        )

        async def test(rig: Rig, script: Script = script, code: str = code) -> None:
            async with site(rig, ADDRESS, script) as talks:
                await send(rig, TlsRequired.YES)
                if code:
                    event, *_ = await rig.wait_for(RecipientBounced)
                    assert event.reply.startswith(f"550 {code} ")
                else:
                    await rig.wait_for(RecipientDelivered)
                    assert [line for line in said(talks) if line.endswith(" REQUIRETLS")]

        run_virtual(in_routes(test, smart=route))


def test_a_mail_store_needs_no_requiretls() -> None:
    """RFC 8689 §4.4: it asks for the way between servers, which ends here."""

    async def store(talk: Talk) -> None:
        await talk.say("220 store.test LMTP")
        await talk.hear("LHLO")
        await talk.say("250 store.test")
        await talk.take()
        await talk.goodbye()

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, store, port=24) as talks:
            await send(rig, TlsRequired.YES)
            await rig.wait_for(RecipientDelivered)
        assert "REQUIRETLS" not in " ".join(said(talks))

    run_virtual(in_routes(test, lmtp=RouteSettings(kind=RouteKind.LMTP, host=f"{HOST}:24")))


def test_a_bounce_of_requiretls_is_as_private_as_the_message(trust: DeliverySettings) -> None:
    """RFC 8689 §5: it asks for REQUIRETLS itself, and never holds the content."""

    async def test(rig: Rig) -> None:
        # The notice has to wait: what is delivered or given up has no content any more.
        await rig.server("mx.sender.test").stop()
        async with site(rig, ADDRESS, stripped):
            await send(rig, TlsRequired.YES, ret=Ret.FULL)
            (created,) = await rig.wait_for(DsnCreated)
        number = parse_id(created.dsn)
        notice = await rig.memory.message(number)
        assert notice is not None
        assert notice.envelope.tls_required is TlsRequired.YES
        assert notice.recipients[0].queue.tls_required is TlsRequired.YES
        content = b"".join([chunk async for chunk in rig.memory.body(number)])
        assert b"text/rfc822-headers" in content
        assert b"Hello." not in content

    in_rig(test, zone=f"{SIGNED_ZONE};! signed sender.test\n", delivery=trust)


# --- as a client: TLS-Required: No ---------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "zone"),
    [(stripped, dane(FITS)), (secure(), dane(MISFITS)), (stripped, STS)],
    ids=["DANE, stripped", "DANE, misfit", "MTA-STS, stripped"],
)
def test_mail_that_does_not_require_tls_arrives_against_the_policy(
    trust: DeliverySettings, script: Script, zone: str
) -> None:
    """RFC 8689 §4.2.2: DANE and MTA-STS are passed over for it alone."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, script) as talks:
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDeferred)
            await send(rig, TlsRequired.NO)
            (event,) = await rig.wait_for(RecipientDelivered)
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDeferred, 2)
        assert event.recipient == "bob@one.test"
        assert sum(line.startswith("MAIL") for line in said(talks)) == 1

    in_rig(test, zone=zone, delivery=trust, fetcher=Pages())


def test_mail_that_does_not_require_tls_takes_it_where_it_is_offered() -> None:
    """It is optional, not unwanted."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, secure(OTHER_LEAF)) as talks:
            await send(rig, TlsRequired.NO)
            await rig.wait_for(RecipientDelivered)
        assert "STARTTLS" in said(talks)

    in_rig(test, zone=dane(MISFITS))


def test_what_the_operator_asks_for_binds_mail_that_does_not_require_tls() -> None:
    """A sender can waive what the recipient asks for, and not what we do."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, stripped):
            await send(rig, TlsRequired.NO)
            await rig.wait_for(RecipientDeferred)

    in_rig(test, tls_domains={"one.test": TlsDomainSettings(policy=TlsPolicy.ENCRYPT)})
