"""What exchangers show on port 25, held against what MTA-STS and DANE promise of them."""

from __future__ import annotations

import asyncio
import hashlib
import ssl

import pytest
import trustme

from pillarbox.checkup.facts.smtp import Certificate, Failure, Mode, Probe, Stage, Step, Target
from pillarbox.checkup.probes.domain import DomainQuestion, ask_domain
from pillarbox.checkup.remark import Status
from pillarbox.checkup.rules.domain import judge_domain
from pillarbox.dns.zone import ZoneResolver
from pillarbox.net.https import Fetched
from pillarbox.smtp.client_extensions import Extensions

ISSUED = trustme.CA().issue_cert("mx.org.example")
DER = ssl.PEM_cert_to_DER_cert(ISSUED.cert_chain_pems[0].bytes().decode())
NOW = 1_800_000_000.0
ZONE = """
$TTL 60
$ORIGIN org.example.
@ MX 10 mx
mx A 192.0.2.1
_mta-sts TXT "v=STSv1; id=7;"
"""
TLSA = "_25._tcp.mx TLSA 3 0 1 {}\n;! signed org.example\n"


def shown(*, fits: bool = True, problem: str = "", until: float = NOW + 9e6) -> Certificate:
    return Certificate(
        names=("mx.org.example",),
        fits=fits,
        issuer="An Authority",
        not_before=NOW - 9e6,
        not_after=until,
        is_self_signed=False,
        count=2,
        problem=problem,
        chain=(DER,),
    )


def seen(
    certificate: Certificate | None = None,
    *,
    starttls: bool = True,
    failed: tuple[Stage, Failure] | None = None,
) -> Probe:
    stage, failure = failed or (Stage.EHLO, None)
    has_spoken = stage is not Stage.CONNECT
    return Probe(
        target=Target("mx.org.example", "192.0.2.1", 25),
        mode=Mode.PLAIN,
        expected=Mode.PLAIN,
        steps=(Step(stage=stage, seconds=0.1, failure=failure),),
        clear=Extensions(starttls=starttls) if has_spoken else None,
        secured=Extensions() if certificate else None,
        certificate=certificate,
    )


def said(probe: Probe, *, mode: str = "enforce", zone: str = ZONE) -> dict[str, Status]:
    """Return what is said of the exchanger, by code."""

    async def fetch(_: str) -> Fetched:
        text = f"version: STSv1\nmode: {mode}\nmx: mx.org.example\nmax_age: 1209600\n"
        return Fetched(200, "text/plain", text.encode())

    async def dial(host: str, address: str) -> Probe:
        assert (host, address) == ("mx.org.example", "192.0.2.1")
        return probe

    async def check() -> dict[str, Status]:
        resolver = ZoneResolver(zone)
        question = DomainQuestion(domain="org.example", now=NOW)
        facts = await ask_domain(question, resolver, resolver.cname, fetch, dial=dial)
        remarks = judge_domain(facts).remarks
        return {one.code: one.status for one in remarks if one.code.startswith("PB-MXTLS")}

    return asyncio.run(check())


@pytest.mark.parametrize(
    ("probe", "mode", "expected"),
    [
        (seen(shown()), "enforce", {}),
        (seen(shown(fits=False)), "enforce", {"PB-MXTLS-006": Status.FAIL}),
        (seen(shown(fits=False)), "testing", {"PB-MXTLS-006": Status.WARN}),
        (seen(shown(fits=False)), "none", {}),
        (seen(shown(problem="self-signed")), "enforce", {"PB-MXTLS-006": Status.FAIL}),
        (seen(shown(until=NOW - 1)), "enforce", {"PB-MXTLS-006": Status.FAIL}),
        (seen(starttls=False), "enforce", {"PB-MXTLS-002": Status.FAIL}),
        (seen(starttls=False), "none", {"PB-MXTLS-002": Status.WARN}),
        (
            seen(failed=(Stage.STARTTLS, Failure.REPLIED)),
            "enforce",
            {"PB-MXTLS-003": Status.WARN},
        ),
        (
            seen(failed=(Stage.CONNECT, Failure.TIMED_OUT)),
            "enforce",
            {"PB-MXTLS-001": Status.SKIP},
        ),
    ],
)
def test_the_certificate_is_held_against_the_policy(
    probe: Probe, mode: str, expected: dict[str, Status]
) -> None:
    """What the policy's mode makes of a fault decides how much it matters."""
    assert said(probe, mode=mode) == expected


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (hashlib.sha256(DER).hexdigest(), {"PB-MXTLS-004": Status.PASS}),
        ("ab" * 32, {"PB-MXTLS-005": Status.FAIL}),
    ],
    ids=["its own", "another"],  # the certificate is new each time
)
def test_the_certificate_is_held_against_tlsa(digest: str, expected: dict[str, Status]) -> None:
    """A TLSA record that was forgotten at a renewal is found."""
    assert said(seen(shown()), zone=ZONE + TLSA.format(digest)) == expected


def test_an_exchanger_inside_is_never_dialed() -> None:
    """A zone cannot have this host knock at its neighbors."""

    async def dial(host: str, address: str) -> Probe:
        raise AssertionError(host, address)

    async def check() -> None:
        resolver = ZoneResolver(ZONE.replace("192.0.2.1", "10.0.0.1"))
        question = DomainQuestion(domain="org.example", now=NOW)
        facts = await ask_domain(question, resolver, resolver.cname, None, dial=dial)
        assert facts.probes == {}

    asyncio.run(check())
