"""TLS that cannot be stripped: DANE, MTA-STS and what is configured, in delivery."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.delivery_rig import MX, ZONE, Rig
from tests.scripted_server import Script, Talk
from tests.scripted_site import said, site

from pillarbox.config.settings import DeliverySettings, TlsDomainSettings, TlsPolicy
from pillarbox.deliver import sts as sts_module
from pillarbox.deliver.sts import StsPolicies
from pillarbox.events.types import (
    RecipientDeferred,
    RecipientDelivered,
    StsPolicyFetched,
    StsPolicyNotFetched,
    TlsSessionMade,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.net.https import Fetched, FetchFailed
from pillarbox.net.tls import TlsFailed
from pillarbox.store.memory import MemoryDisk

HOST = "mx.one.test"
ADDRESS = "127.0.1.1"
OURS = trustme.CA()
STRANGERS = trustme.CA()
LEAF = OURS.issue_cert(HOST)
OTHER_LEAF = STRANGERS.issue_cert(HOST)
SIGNED = ";! signed one.test\n"


def der(pem: bytes) -> bytes:
    """Return a certificate in DER."""
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def digest(pem: bytes) -> str:
    """Return the SHA-256 of a certificate, as a TLSA record has it."""
    return hashlib.sha256(der(pem)).hexdigest()


def dane(record: str, *, signed: bool = True) -> str:
    """Return a zone in which the exchanger of one.test has a TLSA record."""
    return f"{ZONE}{SIGNED if signed else ''}_25._tcp.mx.one TLSA {record}\n"


FITS = f"3 0 1 {digest(LEAF.cert_chain_pems[0].bytes())}"
FITS_ANCHOR = f"2 0 0 {der(OURS.cert_pem.bytes()).hex()}"
MISFITS = f"3 0 1 {'ab' * 32}"


def context(leaf: trustme.LeafCert) -> SSLContext:
    """Return the context of a server with this certificate."""
    made = SSLContext(PROTOCOL_TLS_SERVER)
    leaf.configure_cert(made)
    return made


def secure(leaf: trustme.LeafCert = LEAF) -> Script:
    """Offer STARTTLS, and take a message inside of it."""

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS")
        await talk.secure(context(leaf))
        await talk.ehlo()
        await talk.take()
        await talk.goodbye()

    return script


async def stripped(talk: Talk) -> None:
    """Offer no STARTTLS, and take a message in the clear if one comes."""
    await talk.hello()
    await talk.take()
    await talk.goodbye()


async def garbled(talk: Talk) -> None:
    """Offer STARTTLS, and break the handshake."""
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("220 go", "this is not TLS")


def in_rig(test: Callable[[Rig], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a test in a rig of its own."""

    async def main() -> None:
        async with Rig(routes={"mx": MX}, **options) as rig:
            await test(rig)

    run_virtual(main())


def delivers(*scripts: Script, policy: str, **options: Any) -> None:
    """Expect the message to be taken, and the session to be told of."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, *scripts):
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDelivered)
        told = rig.told(TlsSessionMade)
        assert [(each.policy, each.result) for each in told] == [(policy, "")]
        assert (told[0].destination, told[0].host) == ("one.test", HOST)

    in_rig(test, **options)


def defers(*scripts: Script, why: str, result: str, **options: Any) -> None:
    """Expect the message to wait, and never to be seen by the server."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, *scripts) as talks:
            await rig.send("bob@one.test")
            (event,) = await rig.wait_for(RecipientDeferred)
            assert why in event.reason
            assert {line.split()[0] for line in said(talks)} <= {"EHLO", "STARTTLS"}
        assert {each.result for each in rig.told(TlsSessionMade)} <= {result}

    in_rig(test, **options)


# --- DANE (RFC 7672) ------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [FITS, FITS_ANCHOR, f"{MISFITS}\n_25._tcp.mx.one TLSA {FITS}"],
    ids=["certificate", "issuer", "second record"],
)
def test_mail_goes_where_a_tlsa_record_fits(record: str) -> None:
    """By the server's certificate or by its issuer; one of several records is enough."""
    delivers(secure(), policy="tlsa", zone=dane(record))


@pytest.mark.parametrize("script", [secure(), secure(OTHER_LEAF)], ids=["ours", "other"])
def test_mail_waits_where_no_tlsa_record_fits(script: Script) -> None:
    """Another certificate is no reason to go on in the clear."""
    defers(script, why="no TLSA record fits", result="validation-failure", zone=dane(MISFITS))


def test_mail_waits_where_starttls_was_stripped() -> None:
    """A host with TLSA records that offers no STARTTLS is under attack, or broken."""
    defers(
        stripped,
        why="does not offer STARTTLS",
        result="starttls-not-supported",
        zone=dane(FITS),
    )


def test_mail_waits_where_the_handshake_breaks() -> None:
    """There is no second try in the clear."""
    defers(garbled, why="", result="validation-failure", zone=dane(FITS))


@pytest.mark.parametrize("mark", ["fail", "timeout"])
def test_mail_waits_where_tlsa_records_cannot_be_had(mark: str) -> None:
    """Who can silence DNS must not be able to switch DANE off (RFC 7672 §2.1.2)."""
    zone = f"{dane(FITS)};! {mark} _25._tcp.mx.one.test\n"
    defers(secure(), why="could not be looked up", result="dnssec-invalid", zone=zone)


def test_records_that_nobody_signed_bind_nothing() -> None:
    """Without DNSSEC, TLSA records are anybody's word."""
    delivers(secure(), policy="no-policy-found", zone=dane(MISFITS, signed=False))


def test_records_that_cannot_be_used_still_ask_for_encryption() -> None:
    """Usages of the public authorities do not count for SMTP (RFC 7672 §3.1.3)."""
    zone = dane(f"1 0 1 {'ab' * 32}")
    delivers(secure(OTHER_LEAF), policy="tlsa", zone=zone)
    defers(stripped, why="does not offer STARTTLS", result="starttls-not-supported", zone=zone)


@pytest.mark.parametrize("idle", [0.0, 30.0], ids=["new connection", "open connection"])
def test_an_unsigned_domain_of_the_same_host_switches_dane_off_for_no_other(idle: float) -> None:
    """Anybody can point a domain at another's host: its mail is apart, and goes on other terms."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, secure(OTHER_LEAF)):
            await rig.send("eve@evil.test")
            await rig.wait_for(RecipientDelivered)
            await rig.send("bob@one.test")
            (event,) = await rig.wait_for(RecipientDeferred)
        assert "no TLSA record fits" in event.reason

    zone = f"{dane(MISFITS)}evil MX 10 mx.one\n"
    in_rig(test, zone=zone, delivery=DeliverySettings(idle_timeout=idle))


def test_a_certificate_for_one_signed_domain_is_none_for_another_of_the_same_host() -> None:
    """What an issuer in TLSA records certifies counts for the destination that it names."""
    leaf = OURS.issue_cert("evil.test")

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, secure(leaf)):
            await rig.send("eve@evil.test")
            await rig.wait_for(RecipientDelivered)
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDeferred)

    zone = f"{dane(FITS_ANCHOR)};! signed evil.test\nevil MX 10 mx.one\n"
    in_rig(test, zone=zone)


# --- MTA-STS (RFC 8461) -----------------------------------------------------------------


@dataclass
class Pages:
    """The policy host of one.test."""

    mode: str = "enforce"
    mx: str = HOST
    age: int = 86_400
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def __call__(self, domain: str) -> Fetched:
        self.asked.append(domain)
        if self.failure is not None:
            raise self.failure
        text = f"version: STSv1\nmode: {self.mode}\nmx: {self.mx}\nmax_age: {self.age}\n"
        return Fetched(200, "text/plain", text.encode())


STS = f'{ZONE}_mta-sts.one TXT "v=STSv1; id=1;"\n'


@pytest.fixture
def trust(tmp_path: Path) -> DeliverySettings:
    """Settings that trust our authority."""
    path = tmp_path / "ca.pem"
    OURS.cert_pem.write_to_path(str(path))
    return DeliverySettings(tls_ca=path)


def test_mail_goes_where_the_policy_is_kept(trust: DeliverySettings) -> None:
    """The host is one of the policy's, and its certificate verifies."""
    pages = Pages(mx="*.one.test")
    delivers(secure(), policy="sts", zone=STS, delivery=trust, fetcher=pages)
    assert pages.asked == ["one.test"]


@pytest.mark.parametrize(
    ("script", "mx", "why", "result"),
    [
        (secure(OTHER_LEAF), HOST, "certificate not valid", "certificate-not-trusted"),
        (
            secure(OURS.issue_cert("else.test")),
            HOST,
            "certificate not valid",
            "certificate-host-mismatch",
        ),
        (stripped, HOST, "does not offer STARTTLS", "starttls-not-supported"),
        (secure(), "mx.two.test", "not among the hosts", "validation-failure"),
    ],
    ids=["unknown authority", "other name", "stripped", "other host"],
)
def test_mail_waits_where_the_policy_is_broken(
    trust: DeliverySettings, script: Script, mx: str, why: str, result: str
) -> None:
    """Enforced means deferred, never in the clear."""
    pages = Pages(mx=mx)
    defers(script, why=why, result=result, zone=STS, delivery=trust, fetcher=pages)


def test_a_policy_under_test_is_reported_and_not_enforced(trust: DeliverySettings) -> None:
    """The failure is told, and the mail goes as it would have without a policy."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, secure(OTHER_LEAF)):
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDelivered)
        results = [each.result for each in rig.told(TlsSessionMade)]
        assert results == ["certificate-not-trusted"]  # the session counts once

    in_rig(test, zone=STS, delivery=trust, fetcher=Pages(mode="testing"))


def test_a_policy_that_cannot_be_fetched_stops_no_mail(trust: DeliverySettings) -> None:
    """Without an earlier one there is nothing to enforce; it is not asked for again at once."""
    pages = Pages(failure=FetchFailed("nobody there"))

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, stripped):
            for _ in range(2):
                await rig.send("bob@one.test")
            await rig.wait_for(RecipientDelivered, 2)
        (event,) = rig.told(StsPolicyNotFetched)
        assert event.reason == "nobody there"

    in_rig(test, zone=STS, delivery=trust, fetcher=pages)
    assert len(pages.asked) == 1


def test_authorities_that_cannot_be_read_stop_no_mail() -> None:
    """A policy that cannot be fetched for a mistake of ours is one that cannot be fetched."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, stripped):
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDelivered)
        (event,) = rig.told(StsPolicyNotFetched)
        assert event.reason == "cannot read the authorities"

    failure = TlsFailed("cannot read the authorities")
    in_rig(test, zone=STS, fetcher=Pages(failure=failure))


def test_what_is_remembered_of_policies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger with a zone full of names costs questions, and no memory."""
    monkeypatch.setattr(sts_module, "_MOST_KNOWN", 2)
    pages = Pages(failure=FetchFailed("nobody there"))

    async def test(rig: Rig) -> None:
        policies = StsPolicies(
            rig.lab.resolver, pages, rig.memory.notes, rig.lab.clock, rig.events.append
        )
        for name in ("a.one.test", "b.one.test", "c.one.test", "c.one.test", "a.one.test"):
            assert await policies.policy(name) is None

    in_rig(test, zone=f'{ZONE}*.one TXT "v=STSv1; id=1;"\n')
    assert [name[0] for name in pages.asked] == ["a", "b", "c", "a"]


def test_a_defect_in_finding_the_way_defers_the_mail() -> None:
    """Its queue is not left waiting for an answer that will never come."""
    defects: list[dict[str, Any]] = []

    async def test(rig: Rig) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: defects.append(told))
        await rig.send("bob@one.test")
        (event,) = await rig.wait_for(RecipientDeferred)
        assert "defect" in event.reason

    in_rig(test, zone=STS, fetcher=Pages(failure=RuntimeError("odd")))
    assert [str(told["exception"]) for told in defects] == ["odd"]


def test_a_policy_outlives_a_restart_and_the_loss_of_its_record(trust: DeliverySettings) -> None:
    """Who can silence DNS and HTTPS must not be able to switch it off (RFC 8461 §5.1)."""
    disk = MemoryDisk()

    async def learn(rig: Rig) -> None:
        async with site(rig, ADDRESS, secure()):
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDelivered)
        assert [each.mode for each in rig.told(StsPolicyFetched)] == ["enforce"]

    in_rig(learn, zone=STS, delivery=trust, fetcher=Pages(), disk=disk, start=1_900_000_000.0)
    defers(
        stripped,
        why="does not offer STARTTLS",
        result="starttls-not-supported",
        zone=ZONE,
        delivery=trust,
        fetcher=Pages(failure=FetchFailed("silenced")),
        disk=disk,
        start=1_900_003_600.0,
    )


def test_dane_goes_before_mta_sts(trust: DeliverySettings) -> None:
    """A server whose certificate no authority vouches for is fine if DANE binds it."""
    leaf = f"3 0 1 {digest(OTHER_LEAF.cert_chain_pems[0].bytes())}"
    zone = f'{dane(leaf)}_mta-sts.one TXT "v=STSv1; id=1;"\n'
    delivers(secure(OTHER_LEAF), policy="tlsa", zone=zone, delivery=trust, fetcher=Pages())


# --- what is configured -----------------------------------------------------------------


def domain(policy: TlsPolicy, **more: Any) -> dict[str, TlsDomainSettings]:
    """Return the table of one.test."""
    return {"one.test": TlsDomainSettings(policy=policy, **more)}


@pytest.mark.parametrize(
    ("policy", "script", "is_delivered"),
    [
        (TlsPolicy.NONE, stripped, True),
        (TlsPolicy.MAY, stripped, True),
        (TlsPolicy.ENCRYPT, secure(OTHER_LEAF), True),
        (TlsPolicy.ENCRYPT, stripped, False),
        (TlsPolicy.ENCRYPT, garbled, False),
        (TlsPolicy.VERIFY, secure(), True),
        (TlsPolicy.VERIFY, secure(OTHER_LEAF), False),
        (TlsPolicy.DANE, secure(), False),
        (TlsPolicy.MTA_STS, secure(), False),
    ],
)
def test_a_configured_policy_is_kept(
    trust: DeliverySettings, policy: TlsPolicy, script: Script, is_delivered: bool
) -> None:
    """What is asked for and cannot be had defers the mail, whatever the destination says."""

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, script) as talks:
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDelivered if is_delivered else RecipientDeferred)
            if not is_delivered:
                assert {line.split()[0] for line in said(talks)} <= {"EHLO", "STARTTLS"}

    in_rig(test, delivery=trust, tls_domains=domain(policy), fetcher=Pages())


def test_a_configured_name_is_what_the_certificate_has_to_be_for(trust: DeliverySettings) -> None:
    """For exchangers that show the certificate of whoever runs them."""
    named = domain(TlsPolicy.VERIFY, name="provider.test")

    async def test(rig: Rig) -> None:
        async with site(rig, ADDRESS, secure(OURS.issue_cert("provider.test"))):
            await rig.send("bob@one.test")
            await rig.wait_for(RecipientDelivered)

    in_rig(test, delivery=trust, tls_domains=named)
