"""Domains that are broken in one way each, as zone files, and what `check domain` says of them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.situations.situation import Healthy, Situation, Told, of_remarks

from pillarbox.checkup.probes.domain import DomainQuestion, Extras, ask_domain
from pillarbox.checkup.remark import Publish
from pillarbox.checkup.rules.domain import DomainReport, judge_domain
from pillarbox.checkup.signatures.signers import signers_of
from pillarbox.dns.zone import ZoneResolver
from pillarbox.keyring.publication import zone_strings
from pillarbox.lab.clock import run_virtual
from pillarbox.net.https import Fetched, FetchFailed

__all__ = ["BROKEN", "HEALTHY", "report_of", "zone_text"]

_DOMAIN = "org.example"
_LIMIT = 15.0  # seconds: `check domain` ends within them whatever does not answer
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
_BIMI = 'default._bimi TXT "v=BIMI1; l=https://org.example/logo.svg"'
_STS = '_mta-sts TXT "v=STSv1; id=7;"'
_MANY = " ".join(f"a:a{n}.org.example" for n in range(11))
_VOID = "a:n1.org.example a:n2.org.example a:n3.org.example"
_FIXED = '@ TXT "v=spf1 ip4:192.0.2.1 -all"'


def _zone(**changes: Iterable[str]) -> list[str]:
    """Return the lines of a good zone with some parts put otherwise."""
    parts = {**_GOOD, **changes}
    return [line for part in parts.values() for line in part]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What is at hand besides the zone."""

    policy: str | FetchFailed | None = None  # the page of MTA-STS, or why there is none
    selectors: tuple[str, ...] = ()
    message: bytes | None = None
    logo: bytes = b""


@dataclass(frozen=True, slots=True)
class _Logo:
    """A logo that a record points to."""

    octets: bytes

    async def fetch(self, url: str, *, max_size: int) -> bytes:
        """Return it."""
        del url
        return self.octets[:max_size]


def _report(lines: Iterable[str], given: _Given) -> DomainReport:
    policy = given.policy

    async def fetch(_: str) -> Fetched:
        if not isinstance(policy, str):
            raise policy or FetchFailed("there is no page")
        return Fetched(200, "text/plain", policy.encode())

    async def check() -> DomainReport:
        resolver = ZoneResolver(_text(lines), timeout=60.0)
        question = DomainQuestion(
            domain=_DOMAIN,
            selectors=given.selectors,
            signers=None if given.message is None else signers_of(given.message),
            now=_NOW,
        )
        fetcher = fetch if policy is not None else None
        extras = Extras(
            caa=resolver.caa, logos=_Logo(given.logo) if given.logo else None, asks_lists=True
        )
        begin = asyncio.get_running_loop().time()
        facts = await ask_domain(question, resolver, resolver.cname, fetcher, extras=extras)
        assert asyncio.get_running_loop().time() - begin < _LIMIT
        return judge_domain(facts)

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


def _look(lines: tuple[str, ...], given: _Given, *, is_mended: bool = False) -> Told:
    """Say what `check domain` says, once what it would have published is."""
    report = _report(lines, given)
    if is_mended:
        report = _report(_mended(lines, report.remarks[0].publish), given)
    return of_remarks(report.remarks)


def _look_flattened(lines: tuple[str, ...]) -> Told:
    """Say what is said once the flattened record of the last resort is published."""
    report = _report(lines, _Given())
    (flat,) = (one for one in report.remarks if one.code == "PB-SPF-022")
    kept = [line for line in lines if "v=spf1" not in line or not line.startswith("@ ")]
    return of_remarks(_report((*kept, *flat.evidence), _Given()).remarks)


def _broken(
    name: str,
    cause: str,
    fix: str,
    given: _Given = _Given(),
    *,
    publishes: bool = False,
    mended: dict[str, Iterable[str]] | None = None,
    mended_given: _Given | None = None,
    **changes: Iterable[str],
) -> Situation:
    """Return a situation; what mends it is what was to be published, or ``mended``."""
    lines = tuple(_zone(**changes))
    look = functools.partial(_look, lines, given)
    if publishes:
        after = functools.partial(look, is_mended=True)
    else:
        whole = tuple(_zone(**(mended or {})))
        after = functools.partial(_look, whole, mended_given or given)
    return Situation(
        name=name, command="check domain", look=look, cause=cause, fix=fix, mended=after
    )


def _healthy(
    name: str,
    given: _Given = _Given(),
    **changes: Iterable[str],
) -> Healthy:
    look = functools.partial(_look, tuple(_zone(**changes)), given)
    return Healthy(name=name, command="check domain", look=look)


def _strays() -> Iterator[Situation]:
    """Yield what people publish who take the name or the form not quite right."""
    policy = "v=DMARC1; p=reject; rua=mailto:d@org.example"
    yield _broken(
        "the DMARC record stands at the domain itself",
        "PB-DMARC-031",
        "_dmarc",
        publishes=True,
        dmarc=(f'@ TXT "{policy}"',),
    )
    yield _broken(
        "a web panel has put the domain behind the name of the DMARC record once more",
        "PB-DMARC-032",
        "“_dmarc”",
        publishes=True,
        dmarc=(f'_dmarc.org.example TXT "{policy}"',),
    )
    yield _broken(
        "a DMARC record with commas between its tags",
        "PB-DMARC-030",
        "v=DMARC1; p=reject; rua",
        publishes=True,
        dmarc=(f'_dmarc TXT "{policy.replace(";", ",")}"',),
    )
    yield _broken(
        "an SPF record with quotation marks inside of the text",
        "PB-SPF-030",
        '"v=spf1 mx -all"',
        publishes=True,
        spf=(r'@ TXT "\"v=spf1 mx -all\""',),
    )
    yield _broken(
        "an SPF record without v=",
        "PB-SPF-030",
        '"v=spf1 mx -all"',
        publishes=True,
        spf=('@ TXT "spf1 mx -all"',),
    )
    yield _broken(
        "a web panel has put the domain behind the name of the SPF record once more",
        "PB-SPF-032",
        "“@”",
        publishes=True,
        spf=('org.example TXT "v=spf1 mx -all"',),
    )
    yield _broken(
        "the alias of a DKIM key leads to where there is none",
        "PB-DKIM-023",
        "Turn on signing",
        dkim=("selector1._domainkey CNAME selector1-org-example._domainkey.tenant.example.",),
    )


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
    over = tuple(_zone(spf=(f'@ TXT "v=spf1 {_MANY} -all"', "* A 192.0.2.1"), ptr=()))
    yield Situation(
        name="SPF over ten look-ups",
        command="check domain",
        look=functools.partial(_look, over, _Given()),
        cause="PB-SPF-004",
        fix="subdomain",
        mended=functools.partial(_look_flattened, over),
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
        "Publish the complete key",
        _Given(selectors=("google",)),
        dkim=(),
    )
    yield _broken(
        "a DKIM key that was cut off",
        "PB-DKIM-013",
        "complete key",
        dkim=('google._domainkey TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0"',),
    )
    yield _broken(
        "a DKIM key that was revoked",
        "PB-DKIM-013",
        "key",
        _Given(selectors=("google",)),
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
        logo=(_BIMI,),
    )


def _reputation() -> Iterator[Situation]:
    yield _broken(
        "an address on a block list",
        "PB-LIST-003",
        "check.spamhaus.org",
        lists=("1.2.0.192.zen.spamhaus.org. A 127.0.0.3",),
    )
    yield _broken(
        "an address that should send through its provider",
        "PB-LIST-003",
        "smart host",
        lists=("1.2.0.192.zen.spamhaus.org. A 127.0.0.10",),
    )
    yield _broken(
        "a domain on a block list",
        "PB-LIST-004",
        "stop what sends",
        lists=("org.example.dbl.spamhaus.org. A 127.0.1.102",),
    )
    yield _broken(
        "a logo with a script in it",
        "PB-BIMI-002",
        "SVG Tiny PS",
        _Given(logo=b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
        logo=(_BIMI,),
    )
    yield _broken(
        "mail that another domain signs",
        "PB-DKIM-022",
        "sign as the domain",
        _Given(message=_signed("mailer.example")),
        mended_given=_Given(message=_signed("org.example")),
    )
    yield _broken(
        "mail that nobody signs",
        "PB-DKIM-021",
        "sign as the domain",
        _Given(message=b"From: ann@org.example\r\n\r\nHello\r\n"),
        mended_given=_Given(message=_signed("org.example")),
    )


def _signed(domain: str) -> bytes:
    """Return a message that a domain has signed, by the selector of the good zone."""
    field = f"v=1; a=ed25519-sha256; d={domain}; s=google; h=from; bh={'A' * 43}=; b=AAAA"
    return f"DKIM-Signature: {field}\r\nFrom: ann@org.example\r\n\r\nHello\r\n".encode()


def _transport() -> Iterator[Situation]:
    good = _POLICY.format("enforce", "mx.org.example")
    yield _broken(
        "MTA-STS that does not list the exchanger",
        "PB-STS-006",
        "mx: mx.org.example",
        _Given(policy=_POLICY.format("enforce", "mx.other.example")),
        mended={"sts": (_STS,)},
        mended_given=_Given(policy=good),
        sts=(_STS,),
    )
    yield _broken(
        "MTA-STS without a page",
        "PB-STS-005",
        "https://mta-sts.org.example/",
        _Given(policy=FetchFailed("TLS failed: certificate has expired", is_tls=True)),
        mended={"sts": (_STS,)},
        mended_given=_Given(policy=good),
        sts=(_STS,),
    )
    yield _broken(
        "two MTA-STS records",
        "PB-STS-002",
        "one record",
        _Given(policy=good),
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
        "CAA with a URL for a name",
        "PB-CAA-004",
        "letsencrypt.org",
        publishes=True,
        caa=('@ CAA 0 issue "https://letsencrypt.org"',),
    )
    yield _broken(
        "CAA that forbids every certificate",
        "PB-CAA-005",
        "letsencrypt.org",
        publishes=True,
        caa=('@ CAA 0 issue ";"',),
    )
    yield _broken(
        "TLSA records of no use",
        "PB-DANE-004",
        "3 1 1",
        more=(f"_25._tcp.mx TLSA 0 1 1 {'ab' * 32}", ";! signed org.example"),
    )


BROKEN: tuple[Situation, ...] = (
    *_exchangers(),
    *_strays(),
    *_spf(),
    *_keys(),
    *_policies(),
    *_reputation(),
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
        _Given(policy=_POLICY.format("enforce", "mx.org.example")),
        sts=(_STS, '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@org.example"'),
    ),
    _healthy(
        "block lists that refuse to answer",
        lists=(
            "1.2.0.192.zen.spamhaus.org. A 127.255.255.254",
            "1.2.0.192.bl.spamcop.net. A 127.0.0.2",
            "1.0.0.127.bl.spamcop.net. A 127.0.0.2",  # lists everything
        ),
    ),
    _healthy("name servers that never answer", more=(";! timeout org.example",)),
    _healthy(
        "nothing answers at all",
        more=(";! timeout example", ";! timeout org", ";! timeout net", ";! timeout arpa"),
    ),
    _healthy("CAA that names an authority", caa=('@ CAA 0 issue "letsencrypt.org"',)),
    _healthy(
        "DANE",
        more=(f"_25._tcp.mx TLSA 3 1 1 {'ab' * 32}", ";! signed org.example"),
    ),
)


def zone_text(one: Situation | Healthy) -> str:
    """Return the zone file of a situation of this module."""
    return _text(_lines_of(one))


def report_of(one: Situation | Healthy) -> DomainReport:
    """Return what `check domain` says of a situation of this module, with what is at hand."""
    look: Any = one.look
    return _report(_lines_of(one), look.args[1])


def _lines_of(one: Situation | Healthy) -> tuple[str, ...]:
    look: Any = one.look  # each is a functools.partial of _look
    lines: tuple[str, ...] = look.args[0]
    return lines
