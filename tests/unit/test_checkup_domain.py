"""What a domain's facts come to: the first cause, and nothing where nothing is wrong."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.checkup.probes.domain import DomainQuestion, ask_domain
from pillarbox.checkup.remark import Status
from pillarbox.checkup.rules.domain import DomainReport, judge_domain
from pillarbox.dns.zone import ZoneResolver
from pillarbox.net.https import Fetched, FetchFailed

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
HEALTHY = {
    "mx": "@ MX 10 mx\nmx A 192.0.2.1",
    "spf": '@ TXT "v=spf1 mx -all"',
    "dkim": f'google._domainkey TXT "{KEY}"',
    "dmarc": '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@org.example"',
    "ptr": "$ORIGIN .\n1.2.0.192.in-addr.arpa PTR mx.org.example.\n$ORIGIN org.example.",
    "more": "",
}
STS = '_mta-sts TXT "v=STSv1; id=7;"'


def zone(**changes: str) -> str:
    """Return a healthy zone with changes."""
    parts = {**HEALTHY, **changes}
    return "\n".join(["$TTL 60", "$ORIGIN org.example.", *parts.values()]) + "\n"


def report(
    text: str,
    *,
    policy: str | FetchFailed | None = None,
    seconds: float = 5.0,
    domain: str = "org.example",
    **question: tuple[str, ...],
) -> DomainReport:
    """Check a domain of a zone."""

    async def fetch(_: str) -> Fetched:
        if not isinstance(policy, str):
            raise policy or AssertionError
        return Fetched(200, "text/plain", policy.encode())

    async def check() -> DomainReport:
        resolver = ZoneResolver(text, timeout=60.0)
        asked = DomainQuestion(domain=domain, seconds=seconds, **question)
        return judge_domain(
            await ask_domain(asked, resolver, resolver.cname, fetch if policy else None)
        )

    return asyncio.run(check())


def blamed(found: DomainReport) -> list[str]:
    """Return the codes of what is to be put right."""
    return [one.code for one in found.remarks if one.status in {Status.FAIL, Status.WARN}]


TEN = " ".join(f"a:a{n}.org.example" for n in range(11))
VOID = "a:n1.org.example a:n2.org.example a:n3.org.example"
BROKEN: dict[str, tuple[str, dict[str, str]]] = {
    "MX is an alias": ("PB-MX-008", {"mx": "@ MX 10 mail\nmail CNAME mx\nmx A 192.0.2.1"}),
    "MX is loopback": ("PB-MX-011", {"mx": "@ MX 10 mx\nmx A 127.0.0.1", "spf": ""}),
    "MX is private": (
        "PB-MX-011",
        {"mx": "@ MX 10 mx\nmx A 10.0.0.1", "spf": '@ TXT "v=spf1 ip4:192.0.2.1 -all"'},
    ),
    "MX has no address": ("PB-MX-010", {"mx": "@ MX 10 nx", "spf": '@ TXT "v=spf1 ?all"'}),
    "MX is an address": (
        "PB-MX-009",
        {"mx": "@ MX 10 192.0.2.1.", "spf": '@ TXT "v=spf1 ip4:192.0.2.1 -all"'},
    ),
    "null MX beside others": (
        "PB-MX-004",
        {"mx": "@ MX 0 .\n@ MX 10 mx\nmx A 192.0.2.1"},
    ),
    "no MX": ("PB-MX-007", {"mx": "@ A 192.0.2.1\nmx A 192.0.2.1"}),
    "no MX and no address": (
        "PB-MX-006",
        {"mx": "mx A 192.0.2.1", "spf": '@ TXT "v=spf1 a:mx.org.example -all"'},
    ),
    "no SPF": ("PB-SPF-001", {"spf": '@ TXT "hello"'}),
    "two SPF records": ("PB-SPF-001", {"spf": '@ TXT "v=spf1 mx -all"\n@ TXT "v=spf1 -all"'}),
    "SPF over ten look-ups": (
        "PB-SPF-004",
        {"spf": f'@ TXT "v=spf1 {TEN} -all"\n*  A 192.0.2.1', "ptr": ""},
    ),
    "SPF finds nothing": ("PB-SPF-006", {"spf": f'@ TXT "v=spf1 mx {VOID} -all"'}),
    "SPF loop": ("PB-SPF-003", {"spf": '@ TXT "v=spf1 include:org.example mx -all"'}),
    "SPF syntax": ("PB-SPF-002", {"spf": '@ TXT "v=spf1 mx ip4:1.2.3 -all"'}),
    "SPF for anybody": ("PB-SPF-008", {"spf": '@ TXT "v=spf1 mx +all"'}),
    "DKIM key cut off": (
        "PB-DKIM-013",
        {"dkim": 'google._domainkey TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0"'},
    ),
    "no DMARC": ("PB-DMARC-003", {"dmarc": ""}),
    "two DMARC records": (
        "PB-DMARC-001",
        {"dmarc": '_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "v=DMARC1; p=reject"'},
    ),
    "DMARC without reports": ("PB-DMARC-007", {"dmarc": '_dmarc TXT "v=DMARC1; p=reject"'}),
    "no PTR": ("PB-PTR-004", {"ptr": ""}),
    "PTR not confirmed": (
        "PB-PTR-005",
        {"ptr": "$ORIGIN .\n1.2.0.192.in-addr.arpa PTR other.example.\nother.example A 192.0.2.9"},
    ),
    "two MTA-STS records": (
        "PB-STS-002",
        {"more": f'{STS}\n_mta-sts TXT "v=STSv1; id=8;"'},
    ),
    "TLS-RPT without address": ("PB-TLSRPT-003", {"more": '_smtp._tls TXT "v=TLSRPTv1;"'}),
    "TLSA not signed": (
        "PB-DANE-005",
        {"more": f"_25._tcp.mx TLSA 3 1 1 {'ab' * 32}"},
    ),
    "TLSA of no use": (
        "PB-DANE-004",
        {"more": f"_25._tcp.mx TLSA 0 1 1 {'ab' * 32}\n;! signed org.example"},
    ),
    "logo without DMARC": (
        "PB-BIMI-003",
        {
            "dmarc": '_dmarc TXT "v=DMARC1; p=none; rua=mailto:d@org.example"',
            "more": 'default._bimi TXT "v=BIMI1; l=https://org.example/logo.svg"',
        },
    ),
}


@pytest.mark.parametrize("situation", BROKEN)
def test_the_first_remark_is_the_cause(situation: str) -> None:
    """What is wrong stands first, with why and fix."""
    code, changes = BROKEN[situation]
    found = report(zone(**changes))
    first = found.remarks[0]
    assert (first.code, first.status) in {(code, Status.FAIL), (code, Status.WARN)}, found.remarks
    assert first.why
    assert first.fix or first.publish
    assert (found.score.percent or 0) < 100


ALIVE: dict[str, dict[str, str]] = {
    "all but encryption": {},
    "takes no mail and sends none": {
        "mx": "@ MX 0 .",
        "spf": '@ TXT "v=spf1 -all"',
        "dkim": "",
        "ptr": "",
    },
    "several exchangers": {
        "mx": "@ MX 10 mx\n@ MX 20 mx2\nmx A 192.0.2.1\nmx AAAA 2001:db8::1\nmx2 A 192.0.2.2",
        "spf": '@ TXT "v=spf1 ip4:192.0.2.1 -all"',
    },
    "a provider sends": {
        "spf": '@ TXT "v=spf1 include:_spf.example ~all"',
        "ptr": """
$ORIGIN .
_spf.example TXT "v=spf1 ip4:198.51.100.0/24 ~all"
""",
    },
    "a parent's DMARC, and DANE": {
        "more": f"_25._tcp.mx TLSA 3 1 1 {'ab' * 32}\n;! signed org.example"
    },
    "unknown selector": {"dkim": ""},
    "revoked old keys": {"dkim": '*._domainkey TXT "v=DKIM1; p="'},
}


@pytest.mark.parametrize("situation", ALIVE)
def test_nothing_is_blamed_in_a_healthy_domain(situation: str) -> None:
    """What is right, absent by choice, or not to be tested is no finding."""
    assert blamed(report(zone(**ALIVE[situation]))) == []


def test_a_domain_that_does_not_exist_is_said_to_be_so_and_nothing_else() -> None:
    """Of a misspelled name there is one thing to say."""
    found = report(zone(), domain="orgg.example")
    assert [one.code for one in found.remarks] == ["PB-MX-002"]


@pytest.mark.parametrize("mark", ["fail", "timeout"])
def test_what_dns_does_not_answer_is_not_tested_and_not_failed(mark: str) -> None:
    """SERVFAIL and silence blame nobody, take off nothing, and give no score."""
    found = report(zone(more=f";! {mark} org.example"), seconds=0.2)
    assert blamed(found) == []
    assert found.score.percent is None or found.score.percent == 100
    assert {one.status for one in found.remarks} == {Status.SKIP}


def test_a_name_server_of_others_that_fails_is_no_fault_of_the_domain() -> None:
    """Who gets reports, what an include is, where an exchanger stands: not known is not wrong."""
    found = report(
        zone(
            mx="@ MX 10 mx\n@ MX 20 mx.other.example.\nmx A 192.0.2.1",
            spf='@ TXT "v=spf1 mx include:other.example -all"',
            dmarc='_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@other.example"',
            more=";! fail other.example",
        )
    )
    assert blamed(found) == []
    skipped = {one.code for one in found.remarks if one.status is Status.SKIP}
    assert {"PB-MX-001", "PB-SPF-003", "PB-DMARC-008"} <= skipped


def test_a_silent_part_does_not_hide_the_rest() -> None:
    """One name without an answer leaves the other parts judged."""
    found = report(zone(dmarc="", more=";! timeout _dmarc.org.example"), seconds=0.2)
    assert blamed(found) == []
    assert "PB-SPF-000" in {one.code for one in found.remarks}
    assert "PB-DMARC-002" in {one.code for one in found.remarks if one.status is Status.SKIP}


def test_an_alias_among_exchangers_is_not_called_the_end_of_all_mail() -> None:
    """Most senders follow it; what no sender can reach is."""
    alias = report(zone(mx="@ MX 10 mail\nmail CNAME mx\nmx A 192.0.2.1")).remarks[0]
    inside = report(zone(mx="@ MX 10 mx\nmx A 10.0.0.1", spf="")).remarks
    assert "gets no mail" not in alias.why
    assert "gets no mail" in next(one for one in inside if one.code == "PB-MX-011").why


def test_all_sources_silent_leave_only_what_was_not_tested() -> None:
    """Without any answer nothing is said of the domain itself."""
    found = report(zone(more=";! fail example"), seconds=0.5)
    assert {one.status for one in found.remarks} == {Status.SKIP}
    assert found.score.percent is None
    assert found.score.grade == "-"


POLICY = "version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 1209600\r\n"


@pytest.mark.parametrize(
    ("policy", "code", "status"),
    [
        (POLICY.format(mode="enforce", mx="mx.org.example"), "PB-STS-007", Status.PASS),
        (POLICY.format(mode="testing", mx="*.org.example"), "PB-STS-007", Status.INFO),
        (POLICY.format(mode="enforce", mx="mx.other.example"), "PB-STS-006", Status.FAIL),
        (POLICY.format(mode="testing", mx="mx.other.example"), "PB-STS-006", Status.WARN),
        ("nonsense", "PB-STS-005", Status.FAIL),
        (
            FetchFailed("TLS failed: certificate has expired", is_tls=True),
            "PB-STS-005",
            Status.FAIL,
        ),
        (FetchFailed("x did not answer within 60 s"), "PB-STS-004", Status.SKIP),
    ],
)
def test_the_policy_is_held_against_the_exchangers(
    policy: str | FetchFailed, code: str, status: Status
) -> None:
    """A mismatch is worse under enforce; a page that is silent is not tested."""
    found = report(zone(more=STS), policy=policy)
    said = {one.code: one.status for one in found.remarks}
    assert said[code] is status


def test_a_selector_that_is_asked_for_has_to_be_there() -> None:
    """A guess that finds nothing says nothing; a selector of the user's does."""
    found = report(zone(), selectors=("s2026",))
    assert blamed(found) == ["PB-DKIM-011"]


def test_the_score_is_the_sum_of_what_it_shows() -> None:
    """Each area loses what its remarks take off, and never more than it has."""
    found = report(zone(dmarc="", ptr=""))
    for area in found.score.areas:
        assert area.points == area.of - sum(points for _, points in area.deductions) >= 0
    assert found.score.points == sum(area.points for area in found.score.areas)


def test_bulk_rules_say_which_are_kept() -> None:
    """The checklist follows the findings, and leaves open what DNS cannot tell."""
    rules = {rule.what: rule.status for rule in report(zone(ptr="")).bulk}
    assert rules["SPF authorizes the hosts that send"] is Status.PASS
    assert rules["Sending addresses have names that lead back to them"] is Status.FAIL
    assert Status.SKIP in rules.values()
