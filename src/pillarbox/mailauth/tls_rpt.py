"""TLS reports as values: the record, the counters, and the JSON of a day (RFC 8460).

A ``Tally`` counts sessions by policy; ``build_report`` turns tallies into a report, and
``parse_report`` reads one from elsewhere. Nothing is sent and no clock is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

import msgspec

from pillarbox.mailauth import tls_rpt_wire as wire
from pillarbox.smtp.address import ascii_domain

__all__ = [
    "MAX_REPORT_OCTETS",
    "Failure",
    "PolicyKey",
    "PolicyReport",
    "PolicyType",
    "Report",
    "ReportError",
    "ResultType",
    "Tally",
    "build_report",
    "parse_addresses",
    "parse_report",
    "record_name",
    "report_filename",
    "report_subject",
]

MAX_REPORT_OCTETS: Final = 10 * 1024 * 1024  # as JSON; a day of a large sender is below 1 MiB
_MAX_KINDS: Final = 1000  # of failures counted separately; the rest is merged
_MAX_ADDRESSES: Final = 10
_MAX_POLICIES: Final = 1000
_MAX_FAILURES: Final = 10_000
_MAX_TEXT: Final = 1000
_VERSION: Final = re.compile(rb"v=TLSRPTv1[ \t]*;")


class ReportError(ValueError):
    """A report that cannot be read; the message says why."""


class PolicyType(Enum):
    """What kind of policy a session was under (RFC 8460 §4.4)."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


class ResultType(Enum):
    """What went wrong (RFC 8460 §4.3)."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    CERTIFICATE_HOST_MISMATCH = "certificate-host-mismatch"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    DANE_REQUIRED = "dane-required"
    STS_POLICY_FETCH_ERROR = "sts-policy-fetch-error"
    STS_POLICY_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """The policy that sessions were counted under."""

    type: PolicyType
    domain: str  # the policy domain: that of the recipients
    lines: tuple[str, ...] = ()  # the policy's lines, or TLSA records as in a zone file
    mx_hosts: tuple[str, ...] = ()  # the patterns of an MTA-STS policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One kind of failure (RFC 8460 §4.4)."""

    result_type: str  # a ``ResultType``; a received report may have other values
    sending_ip: str = ""
    receiving_mx: str = ""
    receiving_helo: str = ""
    receiving_ip: str = ""
    information: str = ""  # a URI
    reason: str = ""  # "failure-reason-code": words or a code


@dataclass(slots=True)
class Tally:
    """What happened under one policy in one day."""

    successes: int = 0
    failures: dict[Failure, int] = field(default_factory=dict)

    def succeed(self) -> None:
        """Count a session whose TLS satisfies the policy."""
        self.successes += 1

    def fail(self, failure: Failure) -> None:
        """Count a session that failed.

        When there are too many kinds, further failures are counted by result alone, so a thousand
        hosts behind one domain cannot exhaust memory.
        """
        if failure not in self.failures and len(self.failures) >= _MAX_KINDS:
            failure = Failure(result_type=failure.result_type)
        self.failures[failure] = self.failures.get(failure, 0) + 1

    def add(self, other: Tally) -> None:
        """Add the counts of another tally for the same policy."""
        self.successes += other.successes
        for failure, count in other.failures.items():
            self.failures[failure] = self.failures.get(failure, 0) + count

    @property
    def failed(self) -> int:
        """How many sessions failed."""
        return sum(self.failures.values())


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """The sessions under one policy."""

    policy: PolicyKey
    successes: int
    failed: int  # as stated in the report; the failures need not add up to it
    failures: tuple[tuple[Failure, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report (RFC 8460 §4.4)."""

    organization: str
    contact: str
    report_id: str
    start: float  # seconds since 1970
    end: float
    policies: tuple[PolicyReport, ...]


def record_name(domain: str) -> str:
    """Return the name of a domain's TLS report record."""
    return f"_smtp._tls.{ascii_domain(domain)}"


def parse_addresses(records: Sequence[bytes]) -> tuple[str, ...]:
    """Return the ``mailto:`` and ``https:`` URIs of the record (RFC 8460 §3).

    Without a record, with more than one, or with one that cannot be read: ().
    """
    found = [record for record in records if _VERSION.match(record)]
    if len(found) != 1:
        return ()
    for part in found[0].decode("ascii", "replace").split(";")[1:]:
        name, equals, value = part.partition("=")
        if equals and name.strip(" \t") == "rua":
            uris = (uri.strip(" \t") for uri in value.split(","))
            return tuple(uri for uri in uris if _is_address(uri))[:_MAX_ADDRESSES]
    return ()


def build_report(
    tallies: Iterable[tuple[PolicyKey, Tally]],
    *,
    organization: str,
    contact: str,
    report_id: str,
    start: float,
    end: float,
) -> bytes:
    """Return a report as uncompressed JSON (RFC 8460 §4.4).

    Args:
        tallies: What was counted, by policy.
        organization: The reporting organization.
        contact: A contact address.
        report_id: Unique among our reports, such as ``2026-11-21T00:00:00Z_example.org``.
        start: The start of the period, in seconds since 1970.
        end: Its end.
    """
    report = wire.Report(
        organization_name=organization,
        date_range=wire.DateRange(start_datetime=_moment(start), end_datetime=_moment(end)),
        contact_info=contact,
        report_id=report_id,
        policies=[_policy(key, tally) for key, tally in tallies],
    )
    return msgspec.json.encode(report)


def parse_report(octets: bytes) -> Report:
    """Read an uncompressed report (RFC 8460 §4.4).

    Raises:
        ReportError: It is too large, or not a report.
    """
    if len(octets) > MAX_REPORT_OCTETS:
        raise ReportError(f"the report is longer than {MAX_REPORT_OCTETS} octets")
    try:
        read = msgspec.json.decode(octets, type=wire.Report, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"it is no TLS report: {error}") from None
    if len(read.policies) > _MAX_POLICIES:
        raise ReportError(f"the report has more than {_MAX_POLICIES} policies")
    return Report(
        organization=read.organization_name[:_MAX_TEXT],
        contact=(read.contact_info or "")[:_MAX_TEXT],
        report_id=read.report_id[:_MAX_TEXT],
        start=_seconds(read.date_range.start_datetime),
        end=_seconds(read.date_range.end_datetime),
        policies=tuple(map(_read_policy, read.policies)),
    )


def report_filename(submitter: str, domain: str, start: float, end: float) -> str:
    """Return the name of a compressed report's file (RFC 8460 §5.1)."""
    return f"{submitter}!{domain}!{int(start)}!{int(end)}.json.gz"


def report_subject(submitter: str, domain: str, report_id: str) -> str:
    """Return the subject of a message with a report (RFC 8460 §5.3)."""
    return f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{report_id}>"


def _is_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme == "https" and bool(parts.hostname)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ReportError(f"{text[:40]!r} is no date and time") from None


def _policy(key: PolicyKey, tally: Tally) -> wire.PolicyResult:
    return wire.PolicyResult(
        policy=wire.Policy(
            policy_type=key.type.value,
            policy_string=list(key.lines) or None,
            policy_domain=key.domain,
            mx_host=list(key.mx_hosts) or None,
        ),
        summary=wire.Summary(
            total_successful_session_count=tally.successes,
            total_failure_session_count=tally.failed,
        ),
        failure_details=[_detail(*item) for item in tally.failures.items()],
    )


def _detail(failure: Failure, count: int) -> wire.FailureDetail:
    return wire.FailureDetail(
        result_type=failure.result_type,
        sending_mta_ip=failure.sending_ip or None,
        receiving_mx_hostname=failure.receiving_mx or None,
        receiving_mx_helo=failure.receiving_helo or None,
        receiving_ip=failure.receiving_ip or None,
        failed_session_count=count,
        additional_information=failure.information or None,
        failure_reason_code=failure.reason or None,
    )


def _read_policy(read: wire.PolicyResult) -> PolicyReport:
    try:
        kind = PolicyType(read.policy.policy_type)
    except ValueError:
        raise ReportError(f"{read.policy.policy_type[:40]!r} is no type of policy") from None
    if len(read.failure_details or ()) > _MAX_FAILURES:
        raise ReportError(f"a policy has more than {_MAX_FAILURES} kinds of failures")
    key = PolicyKey(
        kind,
        read.policy.policy_domain[:_MAX_TEXT],
        wire.texts(read.policy.policy_string),
        wire.texts(read.policy.mx_host),
    )
    failures = tuple(map(_read_failure, read.failure_details or ()))
    summary = read.summary
    return PolicyReport(
        key, summary.total_successful_session_count, summary.total_failure_session_count, failures
    )


def _read_failure(read: wire.FailureDetail) -> tuple[Failure, int]:
    failure = Failure(
        result_type=read.result_type[:_MAX_TEXT],
        sending_ip=(read.sending_mta_ip or "")[:_MAX_TEXT],
        receiving_mx=(read.receiving_mx_hostname or "")[:_MAX_TEXT],
        receiving_helo=(read.receiving_mx_helo or "")[:_MAX_TEXT],
        receiving_ip=(read.receiving_ip or "")[:_MAX_TEXT],
        information=(read.additional_information or "")[:_MAX_TEXT],
        reason=(read.failure_reason_code or "")[:_MAX_TEXT],
    )
    return failure, read.failed_session_count
