"""Digests the TLS reports about one domain (RFC 8460)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.mailauth.tls_rpt import Failure, Report, ResultType
from pillarbox.reports.digest.dmarc_digest import Day

__all__ = ["TlsDigest", "digest_tls"]

_DAY: Final = 86_400
_MEANINGS: Final[dict[str, tuple[str, str]]] = {
    ResultType.STARTTLS_NOT_SUPPORTED.value: (
        "The server did not offer STARTTLS, or something on the way took the offer out",
        "Offer STARTTLS on port 25 of this exchanger: `pillarbox check smtp {host}:25`",
    ),
    ResultType.CERTIFICATE_HOST_MISMATCH.value: (
        "The certificate does not name the exchanger",
        "Get a certificate with {host} among its names",
    ),
    ResultType.CERTIFICATE_EXPIRED.value: (
        "The certificate had expired",
        "Renew the certificate of {host}, and have it renewed by itself (`[acme]`)",
    ),
    ResultType.CERTIFICATE_NOT_TRUSTED.value: (
        "No authority that the sender trusts has issued the certificate",
        "Serve the whole chain of a public authority on {host}",
    ),
    ResultType.VALIDATION_FAILURE.value: (
        "The TLS handshake failed for another reason",
        "See what the server offers: `pillarbox check smtp {host}:25`",
    ),
    ResultType.TLSA_INVALID.value: (
        "The TLSA record does not fit the certificate, or cannot be used",
        "Publish the TLSA record of the certificate in use: `pillarbox check domain {domain}`",
    ),
    ResultType.DNSSEC_INVALID.value: (
        "DNSSEC did not validate",
        "Look at the signatures of the zone: they may have expired",
    ),
    ResultType.DANE_REQUIRED.value: (
        "The sender insists on DANE, and found no TLSA records",
        "Publish TLSA records for {host} in a signed zone",
    ),
    ResultType.STS_POLICY_FETCH_ERROR.value: (
        "The MTA-STS policy could not be fetched",
        "Serve https://mta-sts.{domain}/.well-known/mta-sts.txt with a valid certificate",
    ),
    ResultType.STS_POLICY_INVALID.value: (
        "The MTA-STS policy could not be read",
        "Look at it with `pillarbox check domain {domain}`",
    ),
    ResultType.STS_WEBPKI_INVALID.value: (
        "The exchanger's certificate does not stand up to the MTA-STS policy",
        "Give {host} a certificate of a public authority in its own name",
    ),
}


@dataclass(slots=True)
class FailureGroup:
    """One kind of failure at one exchanger."""

    result: str
    host: str
    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    senders: Counter[str] = field(default_factory=Counter)  # addresses that had it

    def add(self, failure: Failure, count: int) -> None:
        """Count a failure."""
        self.count += count
        if failure.reason:
            self.reasons[failure.reason] += count
        if failure.sending_ip:
            self.senders[failure.sending_ip] += count


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsDigest:
    """What reports tell of the TLS of a domain's exchangers."""

    domain: str
    begin: int
    end: int
    reports: int
    reporters: tuple[tuple[str, int], ...]  # and how many sessions each has had
    policies: tuple[tuple[str, int, int], ...]  # kind, sessions that went well, that failed
    days: tuple[Day, ...]
    failures: tuple[FailureGroup, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> int:
        """Sessions that went well."""
        return sum(passed for _, passed, _ in self.policies)

    @property
    def total(self) -> int:
        """All sessions."""
        return sum(passed + failed for _, passed, failed in self.policies)


def digest_tls(reports: Sequence[Report]) -> tuple[TlsDigest, ...]:
    """Read reports as one, for each domain that they are about, the most sessions first."""
    domains = {
        policy.policy.domain.lower().rstrip("."): None
        for report in reports
        for policy in report.policies
    }
    digests = (_digest(domain, reports) for domain in domains)
    return tuple(sorted(digests, key=lambda digest: -digest.total))


def _digest(domain: str, reports: Sequence[Report]) -> TlsDigest:
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    reporters: Counter[str] = Counter()
    days: dict[int, list[int]] = {}
    groups: dict[tuple[str, str], FailureGroup] = {}
    about = [report for report in reports if _is_about(report, domain)]
    for report in about:
        day = days.setdefault(int(report.start + report.end) // 2 // _DAY * _DAY, [0, 0])
        for policy in report.policies:
            if policy.policy.domain.lower().rstrip(".") != domain:
                continue
            kind = policy.policy.type.value
            passed[kind] += policy.successes
            failed[kind] += policy.failed
            day[0] += policy.successes
            day[1] += policy.failed
            reporters[report.organization or report.contact] += policy.successes + policy.failed
            for failure, count in policy.failures:
                host = failure.receiving_mx or failure.receiving_ip
                key = failure.result_type, host
                groups.setdefault(key, FailureGroup(*key)).add(failure, count)
    worst = sorted(groups.values(), key=lambda group: -group.count)
    return TlsDigest(
        domain=domain,
        begin=int(min(report.start for report in about)),
        end=int(max(report.end for report in about)),
        reports=len(about),
        reporters=tuple(reporters.most_common()),
        policies=tuple((kind, passed[kind], failed[kind]) for kind in passed),
        days=tuple(Day(day, good, bad) for day, (good, bad) in sorted(days.items())),
        failures=tuple(worst),
        findings=tuple(_findings(domain, worst)),
    )


def _is_about(report: Report, domain: str) -> bool:
    return any(policy.policy.domain.lower().rstrip(".") == domain for policy in report.policies)


def _findings(domain: str, groups: Iterable[FailureGroup]) -> Iterable[Finding]:
    for group in groups:
        meaning = _MEANINGS.get(group.result, ("The sender names no reason that is known", ""))
        why, fix = meaning
        host = group.host or domain
        sessions = "session" if group.count == 1 else "sessions"
        yield Finding(
            level=Level.WARNING,
            code="PB-DIGEST-006",
            what=f"{group.count:,} {sessions} with {host}: {group.result}",
            why=why,
            fix=fix.format(host=host, domain=domain),
            evidence=tuple(reason for reason, _ in group.reasons.most_common(3)),
        )
