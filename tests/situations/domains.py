"""Domains that are broken in one way each, as zone files, and what `check domain` says of them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

from tests.situations.situation import Healthy, Situation, Told, of_remarks

from pillarbox.checkup.domain_questions import DomainQuestion, ask_domain
from pillarbox.checkup.domain_rules import DomainReport, judge_domain
from pillarbox.checkup.remark import Publish
from pillarbox.dns.zone import ZoneResolver
from pillarbox.keyring.publication import zone_strings
from pillarbox.lab.clock import run_virtual
from pillarbox.net.https import Fetched, FetchFailed

__all__ = ["BROKEN", "HEALTHY"]

_DOMAIN = "org.example"
_NOW = 1_800_000_000.0
_KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_POLICY = "version: STSv1\nmode: {}\nmx: {}\nmax_age: 1209600\n"
_GOOD = {
    "mx": ("@ MX 10 mx", "mx A 192.0.2.1"),
    "spf": ('@ TXT "v=spf1 mx -all"',),
    "dkim": (f'google._domainkey TXT "{_KEY}"',),
    "dmarc": ('_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@org.example"',),
    "ptr": ("1.2.0.192.in-addr.arpa. PTR mx.org.example.",),
}
_STS = '_mta-sts TXT "v=STSv1; id=7;"'
_MANY = " ".join(f"a:a{n}.org.example" for n in range(11))
_VOID = "a:n1.org.example a:n2.org.example a:n3.org.example"
_FIXED = '@ TXT "v=spf1 ip4:192.0.2.1 -all"'


def _zone(**changes: Iterable[str]) -> list[str]:
    """Return the lines of a good zone with some parts put otherwise."""
    parts = {**_GOOD, **changes}
    return [line for part in parts.values() for line in part]


def _report(
    lines: Iterable[str], *, policy: str | FetchFailed | None, selectors: tuple[str, ...]
) -> DomainReport:
    async def fetch(_: str) -> Fetched:
        if not isinstance(policy, str):
            raise policy or FetchFailed("there is no page")
        return Fetched(200, "text/plain", policy.encode())

    async def check() -> DomainReport:
        resolver = ZoneResolver(_text(lines))
        question = DomainQuestion(domain=_DOMAIN, selectors=selectors, now=_NOW)
        fetcher = fetch if policy is not None else None
        return judge_domain(await ask_domain(question, resolver, resolver.cname, fetcher))

    return run_virtual(check())


def _text(lines: Iterable[str]) -> str:
    """Return a zone file; names with a dot at their end stand in the zone of everything."""
    own, others = [], []
    for line in lines:
        (others if line.split()[0].endswith(".") else own).append(line)
    return "\n".join(("$TTL 60", "$ORIGIN .", *others, f"$ORIGIN {_DOMAIN}.", *own, ""))


def _mended(lines: Iterable[str], publish: Iterable[Publish]) -> list[str]:
    """Return a zone in which records are published instead of those that they replace."""
    kept = list(lines)
    for record in publish:
        kept = [line for line in kept if not _is_replaced(line, record)]
        value = zone_strings(record.value) if record.type == "TXT" else record.value
        kept.append(f"{record.name}. {record.type} {value}")
    return kept


def _is_replaced(line: str, record: Publish) -> bool:
    owner, kind, rest = line.split(maxsplit=2)
    name = _DOMAIN if owner == "@" else owner.rstrip(".")
    absolute = name if owner.endswith(".") or owner == "@" else f"{name}.{_DOMAIN}"
    mark = record.value.partition(" ")[0].rstrip(";").lower()
    is_alike = record.type != "TXT" or mark in rest.lower()
    return (absolute, kind) == (record.name, record.type) and is_alike


def _look(
    lines: tuple[str, ...],
    policy: str | FetchFailed | None = None,
    selectors: tuple[str, ...] = (),
    *,
    is_mended: bool = False,
) -> Told:
    """Say what `check domain` says, once what it would have published is."""
    report = _report(lines, policy=policy, selectors=selectors)
    if is_mended:
        after = _mended(lines, report.remarks[0].publish)
        report = _report(after, policy=policy, selectors=selectors)
    return of_remarks(report.remarks)


def _broken(
    name: str,
    cause: str,
    fix: str,
    *,
    policy: str | FetchFailed | None = None,
    selectors: tuple[str, ...] = (),
    publishes: bool = False,
    mended: dict[str, Iterable[str]] | None = None,
    mended_policy: str | None = None,
    **changes: Iterable[str],
) -> Situation:
    """Return a situation; what mends it is what was to be published, or ``mended``."""
    lines = tuple(_zone(**changes))
    look = functools.partial(_look, lines, policy, selectors)
    if publishes:
        after = functools.partial(look, is_mended=True)
    else:
        whole = tuple(_zone(**(mended or {})))
        after = functools.partial(_look, whole, mended_policy or policy, selectors)
    return Situation(
        name=name, command="check domain", look=look, cause=cause, fix=fix, mended=after
    )


def _healthy(name: str, policy: str | None = None, **changes: Iterable[str]) -> Healthy:
    look = functools.partial(_look, tuple(_zone(**changes)), policy)
    return Healthy(name=name, command="check domain", look=look)


def _exchangers() -> Iterator[Situation]:
    yield _broken(
        "an exchanger is an alias",
        "PB-MX-008",
        "name mx.org.example itself",
        mx=("@ MX 10 mail", "mail CNAME mx", "mx A 192.0.2.1"),
    )
    yield _broken(
        "an exchanger is loopback",
        "PB-MX-011",
        "public address",
        mx=("@ MX 10 mx", "mx A 127.0.0.1"),
        spf=(),
    )
    yield _broken(
        "an exchanger is inside a private network",
        "PB-MX-011",
        "public address",
        mx=("@ MX 10 mx", "mx A 10.0.0.1"),
        spf=(_FIXED,),
    )
    yield _broken(
        "an exchanger has no address",
        "PB-MX-010",
        "A record",
        mx=("@ MX 10 nx",),
        spf=(_FIXED,),
    )
    yield _broken(
        "the MX names an address",
        "PB-MX-009",
        "a name with an A record",
        mx=("@ MX 10 192.0.2.1.",),
        spf=(_FIXED,),
    )
    yield _broken(
        "a null MX beside others",
        "PB-MX-004",
        "Remove the record",
        mx=("@ MX 0 .", "@ MX 10 mx", "mx A 192.0.2.1"),
    )
    yield _broken(
        "no MX, mail goes to the web server",
        "PB-MX-007",
        "Publish an MX",
        publishes=True,
        mx=("@ A 192.0.2.1", "mx A 192.0.2.1", "mail A 192.0.2.1"),
    )
    yield _broken(
        "neither MX nor address",
        "PB-MX-006",
        "Publish an MX",
        publishes=True,
        mx=("mail A 192.0.2.1",),
        spf=(_FIXED,),
    )


def _spf() -> Iterator[Situation]:
    yield _broken("no SPF", "PB-SPF-001", "v=spf1", publishes=True, spf=('@ TXT "hello"',))
    yield _broken(
        "two SPF records",
        "PB-SPF-001",
        "one",
        spf=('@ TXT "v=spf1 mx -all"', '@ TXT "v=spf1 ip4:192.0.2.1 -all"'),
    )
    yield _broken(
        "SPF over ten look-ups",
        "PB-SPF-004",
        "remove",
        spf=(f'@ TXT "v=spf1 {_MANY} -all"', "* A 192.0.2.1"),
        ptr=(),
    )
    yield _broken(
        "SPF with void look-ups",
        "PB-SPF-006",
        "remove",
        spf=(f'@ TXT "v=spf1 mx {_VOID} -all"',),
    )
    yield _broken(
        "SPF includes itself",
        "PB-SPF-003",
        "include",
        spf=('@ TXT "v=spf1 include:org.example mx -all"',),
    )
    yield _broken(
        "SPF that includes a domain without a record",
        "PB-SPF-003",
        "include",
        spf=('@ TXT "v=spf1 include:gone.example mx -all"', "gone.example. A 192.0.2.9"),
    )
    yield _broken(
        "a mistake of writing in SPF",
        "PB-SPF-002",
        "v=spf1",
        spf=('@ TXT "v=spf1 mx ip4:1.2.3 -all"',),
    )
    yield _broken(
        "SPF for anybody",
        "PB-SPF-008",
        "all",
        publishes=True,
        spf=('@ TXT "v=spf1 mx +all"',),
    )


def _keys() -> Iterator[Situation]:
    yield _broken(
        "no DKIM key under the selector",
        "PB-DKIM-011",
        "Publish the key",
        selectors=("google",),
        dkim=(),
    )
    yield _broken(
        "a DKIM key that was cut off",
        "PB-DKIM-013",
        "whole",
        dkim=('google._domainkey TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0"',),
    )
    yield _broken(
        "a DKIM key that was revoked",
        "PB-DKIM-013",
        "key",
        selectors=("google",),
        dkim=('google._domainkey TXT "v=DKIM1; p="',),
    )


def _policies() -> Iterator[Situation]:
    yield _broken("no DMARC", "PB-DMARC-003", "v=DMARC1", publishes=True, dmarc=())
    yield _broken(
        "two DMARC records",
        "PB-DMARC-001",
        "v=DMARC1",
        publishes=True,
        dmarc=('_dmarc TXT "v=DMARC1; p=none"', '_dmarc TXT "v=DMARC1; p=reject"'),
    )
    yield _broken(
        "DMARC without reports",
        "PB-DMARC-007",
        "rua",
        publishes=True,
        dmarc=('_dmarc TXT "v=DMARC1; p=reject"',),
    )
    yield _broken("no PTR", "PB-PTR-004", "mx.org.example.", publishes=True, ptr=())
    yield _broken(
        "a PTR that does not lead back",
        "PB-PTR-005",
        "mx.org.example.",
        publishes=True,
        ptr=("1.2.0.192.in-addr.arpa. PTR other.example.", "other.example. A 192.0.2.9"),
    )
    yield _broken(
        "a logo without DMARC in force",
        "PB-BIMI-003",
        "DMARC",
        dmarc=('_dmarc TXT "v=DMARC1; p=none; rua=mailto:d@org.example"',),
        logo=('default._bimi TXT "v=BIMI1; l=https://org.example/logo.svg"',),
    )


def _transport() -> Iterator[Situation]:
    good = _POLICY.format("enforce", "mx.org.example")
    yield _broken(
        "MTA-STS that does not list the exchanger",
        "PB-STS-006",
        "mx: mx.org.example",
        policy=_POLICY.format("enforce", "mx.other.example"),
        mended={"sts": (_STS,)},
        mended_policy=good,
        sts=(_STS,),
    )
    yield _broken(
        "MTA-STS without a page",
        "PB-STS-005",
        "https://mta-sts.org.example/",
        policy=FetchFailed("TLS failed: certificate has expired", is_tls=True),
        mended={"sts": (_STS,)},
        mended_policy=good,
        sts=(_STS,),
    )
    yield _broken(
        "two MTA-STS records",
        "PB-STS-002",
        "one record",
        policy=good,
        publishes=True,
        sts=(_STS, '_mta-sts TXT "v=STSv1; id=8;"'),
    )
    yield _broken(
        "TLS-RPT without an address",
        "PB-TLSRPT-003",
        "mailto:",
        publishes=True,
        more=('_smtp._tls TXT "v=TLSRPTv1;"',),
    )
    yield _broken(
        "TLSA records in a zone that is not signed",
        "PB-DANE-005",
        "Sign the zone",
        more=(f"_25._tcp.mx TLSA 3 1 1 {'ab' * 32}",),
    )
    yield _broken(
        "TLSA records of no use",
        "PB-DANE-004",
        "3 1 1",
        more=(f"_25._tcp.mx TLSA 0 1 1 {'ab' * 32}", ";! signed org.example"),
    )


BROKEN: tuple[Situation, ...] = (
    *_exchangers(),
    *_spf(),
    *_keys(),
    *_policies(),
    *_transport(),
)
HEALTHY: tuple[Healthy, ...] = (
    _healthy("all but encryption"),
    _healthy(
        "takes no mail and sends none",
        mx=("@ MX 0 .",),
        spf=('@ TXT "v=spf1 -all"',),
        dkim=(),
        ptr=(),
    ),
    _healthy(
        "several exchangers",
        mx=(
            "@ MX 10 mx",
            "@ MX 20 mx2",
            "mx A 192.0.2.1",
            "mx AAAA 2001:db8::1",
            "mx2 A 192.0.2.2",
        ),
        spf=(_FIXED,),
    ),
    _healthy(
        "a provider sends",
        spf=(
            '@ TXT "v=spf1 include:_spf.example. ~all"',
            '_spf.example. TXT "v=spf1 ip4:198.51.100.0/24 ~all"',
        ),
    ),
    _healthy("an unknown selector", dkim=()),
    _healthy("old keys revoked by a wildcard", dkim=('*._domainkey TXT "v=DKIM1; p="',)),
    _healthy(
        "MTA-STS and TLS reports",
        policy=_POLICY.format("enforce", "mx.org.example"),
        sts=(_STS, '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@org.example"'),
    ),
    _healthy(
        "DANE",
        more=(f"_25._tcp.mx TLSA 3 1 1 {'ab' * 32}", ";! signed org.example"),
    ),
)
