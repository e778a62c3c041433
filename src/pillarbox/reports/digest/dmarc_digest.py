"""Digests the DMARC aggregate reports about one domain (RFC 9990)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.mailauth.dmarc_report import PublishedPolicy, Report
from pillarbox.policy.networks import Network
from pillarbox.reports.digest.sources import Source, Standing, find_sources

__all__ = ["Day", "DmarcDigest", "PolicyCost", "digest_dmarc"]

_DAY: Final = 86_400
_RARE: Final = 0.02  # the share of legitimate mail below which a stricter policy is no risk
_STRENGTH: Final = {"none": 0, "quarantine": 1, "reject": 2}
_MINE: Final = frozenset({Standing.PARTLY, Standing.SERVICE, Standing.OWN})


@dataclass(frozen=True, slots=True)
class Day:
    """The messages of one day in UTC."""

    begin: int  # seconds since 1970
    passed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCost:
    """What a policy of quarantine or reject would have done to the mail that was reported."""

    passed: int  # would have arrived as before
    likely_yours: int  # fails, though a service, a server or a record of the domain sent it
    forwarded: int  # fails behind forwarders and lists
    unknown: int  # fails, and nothing speaks for it: this is what the policy is for

    @property
    def total(self) -> int:
        """All messages."""
        return self.passed + self.likely_yours + self.forwarded + self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcDigest:
    """What reports tell of a domain."""

    domain: str
    policy: PublishedPolicy  # of the latest report
    begin: int
    end: int
    reports: int
    reporters: tuple[tuple[str, int], ...]  # and how many messages each has seen
    days: tuple[Day, ...]
    sources: tuple[Source, ...]
    cost: PolicyCost
    findings: tuple[Finding, ...]

    @property
    def total(self) -> int:
        """All messages."""
        return self.cost.total

    @property
    def passed(self) -> int:
        """Those that passed."""
        return self.cost.passed


def digest_dmarc(
    reports: Sequence[Report], host_names: Mapping[str, str], own: Sequence[Network] = ()
) -> tuple[DmarcDigest, ...]:
    """Read reports as one, for each domain that they are about, the most mail first.

    Args:
        reports: Any number, of any domains; no report twice.
        host_names: Confirmed names of source addresses, as far as they are known.
        own: Networks of the domains' owner.
    """
    by_domain: dict[str, list[Report]] = {}
    for report in reports:
        by_domain.setdefault(report.policy.domain, []).append(report)
    digests = (_digest(domain, some, host_names, own) for domain, some in by_domain.items())
    return tuple(sorted(digests, key=lambda digest: -digest.total))


def _digest(
    domain: str,
    reports: Sequence[Report],
    host_names: Mapping[str, str],
    own: Sequence[Network],
) -> DmarcDigest:
    latest = max(reports, key=lambda report: report.end)
    rows = [row for report in reports for row in report.rows]
    sources = find_sources(rows, domain, host_names, own)
    cost = _cost(sources)
    reporters: Counter[str] = Counter()
    for report in reports:
        reporters[report.organization or report.email] += report.messages
    return DmarcDigest(
        domain=domain,
        policy=latest.policy,
        begin=min(report.begin for report in reports),
        end=latest.end,
        reports=len(reports),
        reporters=tuple(reporters.most_common()),
        days=_days(reports),
        sources=tuple(sources),
        cost=cost,
        findings=(*_advice(domain, sources), *_road(domain, latest.policy, cost)),
    )


def _days(reports: Iterable[Report]) -> tuple[Day, ...]:
    """Count by the day on which each report begins; days without one are left out."""
    passed: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for report in reports:
        day = (report.begin + report.end) // 2 // _DAY * _DAY
        passed[day] += report.passed
        total[day] += report.messages
    return tuple(Day(day, passed[day], total[day] - passed[day]) for day in sorted(total))


def _cost(sources: Iterable[Source]) -> PolicyCost:
    by_standing: Counter[Standing] = Counter()
    passed = 0
    for source in sources:
        passed += source.passed
        by_standing[Standing.FORWARDED] += source.listed
        by_standing[source.standing] += source.failed - source.listed
    return PolicyCost(
        passed=passed,
        likely_yours=sum(by_standing[standing] for standing in _MINE),
        forwarded=by_standing[Standing.FORWARDED],
        unknown=by_standing[Standing.UNKNOWN],
    )


# --- what to do about it -------------------------------------------------------------


def _advice(domain: str, sources: Iterable[Source]) -> Iterable[Finding]:
    for source in sources:
        if source.standing in _MINE:
            yield _of_legitimate(domain, source)
    unknown = [source for source in sources if source.standing is Standing.UNKNOWN]
    if unknown:
        yield _of_unknown(domain, unknown)


def _of_legitimate(domain: str, source: Source) -> Finding:
    known = source.known
    share = f"{source.failed:,} of {source.total:,} messages from {source.name} do not pass"
    return Finding(
        level=Level.WARNING,
        code="PB-DIGEST-001" if known is not None else "PB-DIGEST-002",
        what=share,
        why=_reason(domain, source),
        fix=_fix_of_service(domain, source) if known is not None else _fix_of_own(domain, source),
        evidence=tuple(
            [f"from {address}" for address, _ in source.addresses.most_common(3)]
            + [f"signed by {signer}" for signer, _ in source.signers.most_common(2)]
            + [f"envelope of {envelope}" for envelope, _ in source.envelopes.most_common(2)]
        ),
    )


def _reason(domain: str, source: Source) -> str:
    signers = [signer for signer, count in source.strangers.most_common() if count]
    envelopes = [name for name, count in source.strange_envelopes.most_common() if count]
    if signers and envelopes:
        return (
            f"It is signed by {signers[0]} and its envelope is of {envelopes[0]}; neither is "
            f"aligned with {domain}, which stands in From (RFC 9989 §4.4)"
        )
    if signers:
        return f"It is signed by {signers[0]}, which is not aligned with {domain}, and SPF does not pass"
    if envelopes:
        return f"Its envelope is of {envelopes[0]}, not of {domain}, and no signature passes"
    return f"Neither SPF nor a signature of {domain} passes"


def _fix_of_service(domain: str, source: Source) -> str:
    known = source.known
    if known is None:
        return ""
    if known.aligns == "neither":
        return known.how
    fix = known.how
    if known.aligns == "both" and known.include:
        fix += (
            f" If its envelope is of {domain}, add include:{known.include} to the SPF record too."
        )
    return fix


def _fix_of_own(domain: str, source: Source) -> str:
    addresses = " ".join(
        f"ip{6 if ':' in address else 4}:{address}"
        for address, _ in source.addresses.most_common(5)
    )
    return (
        f"Have these servers sign with a key of {domain} (`pillarbox dkim new {domain}`), and "
        f"name them in its SPF record: {addresses}"
    )


def _of_unknown(domain: str, unknown: Sequence[Source]) -> Finding:
    failed = sum(source.failed for source in unknown)
    addresses = sum(len(source.addresses) for source in unknown)
    return Finding(
        level=Level.NOTE,
        code="PB-DIGEST-003",
        what=f"{failed:,} messages from {addresses:,} addresses that nothing speaks for",
        why=f"Nothing of {domain} authenticates them: they are forged, or from a sender that was forgotten",
        fix="Look through them once; what is yours has to sign, the rest is what p=reject is for.",
        evidence=tuple(f"{source.name}: {source.failed:,}" for source in unknown[:5]),
    )


def _road(domain: str, policy: PublishedPolicy, cost: PolicyCost) -> Iterable[Finding]:
    """Say what the next step of the policy is, and whether it is time for it."""
    strength = _STRENGTH.get(policy.p, 0)
    if strength == _STRENGTH["reject"] or not cost.total:
        return
    wanted = "reject" if strength else "quarantine"
    legitimate = cost.passed + cost.likely_yours
    if cost.likely_yours > legitimate * _RARE:
        yield Finding(
            level=Level.NOTE,
            code="PB-DIGEST-004",
            what=f"It is too early for p={wanted}: {cost.likely_yours:,} messages that are likely "
            f"yours would have been affected",
            why=f"{100 * cost.likely_yours / max(legitimate, 1):.0f} % of the domain's own mail does not pass",
            fix="Put right what is named above, and look again at the reports of a week.",
        )
        return
    yield Finding(
        level=Level.NOTE,
        code="PB-DIGEST-005",
        what=f"p={wanted} would have cost {cost.likely_yours:,} of {legitimate:,} messages that "
        f"are likely yours, and {cost.forwarded:,} that were forwarded",
        why=f"It would have kept out {cost.unknown:,} that nothing speaks for",
        fix=f"In the TXT record of _dmarc.{domain} write p={wanted} instead of p={policy.p}; "
        "the rest stays as it is",
    )
