"""The figures of a received report, of either kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from pillarbox.mailauth import tls_rpt
from pillarbox.mailauth.dmarc_report import (
    ReadReport,
    Report,
    ReportLimits,
    ReportRefused,
    read_report,
    read_report_message,
    unpack,
)
from pillarbox.message.transfer import is_known_transfer
from pillarbox.message.tree import FEW_PARTS, Node, leaves

__all__ = [
    "Found",
    "ReceivedReport",
    "ReceivedRow",
    "Values",
    "read_file",
    "read_reports",
    "read_values",
    "summarize_dmarc",
    "summarize_tls",
]

_MOST_ROWS: Final = 100  # of one report; what follows is only added up
_MOST_REPORTS: Final = 10  # in one message
_LONGEST: Final = 300
_TLS_TYPES: Final = frozenset({"application/tlsrpt+gzip", "application/tlsrpt+json"})
_TLS_NAMES: Final = (".json", ".json.gz")
_TLS_LIMITS: Final = ReportLimits(max_size=tls_rpt.MAX_REPORT_OCTETS)
_MESSAGE: Final = (b"received:", b"from:", b"return-path:", b"delivered-to:", b"date:", b"mime-")


class ReceivedRow(Struct, frozen=True):
    """Some of what a report tells."""

    what: str  # "192.0.2.1" or "sts mx.example.org certificate-expired"
    count: int
    result: str  # "pass", "fail"
    detail: str = ""


class ReceivedReport(Struct, frozen=True, kw_only=True):
    """A report that was received, as it is kept and shown."""

    kind: str  # "tls" or "dmarc"
    organization: str
    contact: str
    report_id: str
    domain: str
    begin: float  # seconds since 1970
    end: float
    policy: str
    total: int  # messages or sessions
    failed: int
    rows: list[ReceivedRow] = []  # the worst first
    rows_left_out: int = 0
    problems: list[str] = []
    received_at: float = 0.0
    is_proved: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a file or a message."""

    reports: tuple[ReceivedReport, ...] = ()
    refusal: str = ""  # of what looked like a report and is none


@dataclass(frozen=True, slots=True)
class Values:
    """Reports as they were read, whole."""

    dmarc: tuple[ReadReport, ...] = ()  # those that could be read
    tls: tuple[tls_rpt.Report, ...] = ()
    refusal: str = ""  # of what looked like a report and is none


def read_reports(octets: bytes) -> Found:
    """Read the reports in a message; never raises.

    Args:
        octets: The message, with CRLF line ends.
    """
    return _found(_values_in_message(octets))


def read_file(octets: bytes) -> Found:
    """Read a report from a file: a message, or a report as it is attached; never raises."""
    return _found(read_values(octets))


def read_values(octets: bytes) -> Values:
    """Read a file as ``read_file`` does, and return all that the reports say."""
    if octets.lstrip()[:20].lower().startswith(_MESSAGE) or _has_header(octets):
        lines = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return _values_in_message(lines)
    try:
        plain = unpack(octets, _TLS_LIMITS)
    except ReportRefused as error:
        return Values(refusal=str(error))
    if plain.lstrip().startswith(b"{"):
        return _read_tls(plain)
    return _dmarc_values([read_report(octets)])


def _values_in_message(octets: bytes) -> Values:
    reports: list[tls_rpt.Report] = []
    refusals: list[str] = []
    for part in leaves(octets, FEW_PARTS):
        if _is_tls(part) and len(reports) < _MOST_REPORTS:
            is_known = is_known_transfer(part.encoding)
            values = _read_tls(part.content) if is_known else Values(refusal="its encoding")
            reports += values.tls
            refusals += [values.refusal] if values.refusal else []
    if reports or refusals:
        return Values(tls=tuple(reports), refusal=refusals[0] if refusals else "")
    return _dmarc_values(read_report_message(octets))


def _dmarc_values(reads: Iterable[ReadReport]) -> Values:
    tried = list(reads)[:_MOST_REPORTS]
    refusal = next((read.refusal for read in tried if read.report is None), "")
    return Values(dmarc=tuple(read for read in tried if read.report is not None), refusal=refusal)


def _found(values: Values) -> Found:
    reports = [summarize_tls(report) for report in values.tls]
    reports += [summarize_dmarc(read.report, read.problems) for read in values.dmarc if read.report]
    return Found(tuple(reports), values.refusal)


def _has_header(octets: bytes) -> bool:
    """Whether this begins with a field, as a message does."""
    name, colon, _ = octets[:80].partition(b":")
    return bool(colon) and name.replace(b"-", b"").isalnum()


def _is_tls(part: Node) -> bool:
    return part.media_type in _TLS_TYPES or part.filename.lower().endswith(_TLS_NAMES)


def _read_tls(octets: bytes) -> Values:
    try:
        return Values(tls=(tls_rpt.parse_report(unpack(octets, _TLS_LIMITS)),))
    except (tls_rpt.ReportError, ReportRefused) as error:
        return Values(refusal=str(error))


def summarize_tls(report: tls_rpt.Report) -> ReceivedReport:
    """Return the figures of a TLS report."""
    rows: Counter[tuple[str, str, str]] = Counter()
    for policy in report.policies:
        kind = policy.policy.type.value
        rows[kind, "pass", ""] += policy.successes
        for failure, count in policy.failures:
            host = failure.receiving_mx or failure.receiving_ip
            what = " ".join(filter(None, (kind, host)))
            detail = f"{failure.result_type} {failure.reason}".strip()
            rows[what, "fail", detail] += count
    domains = dict.fromkeys(policy.policy.domain for policy in report.policies)
    kept, left_out = _worst(rows)
    return ReceivedReport(
        kind="tls",
        organization=report.organization[:_LONGEST],
        contact=report.contact[:_LONGEST],
        report_id=report.report_id[:_LONGEST],
        domain=", ".join(domains)[:_LONGEST],
        begin=report.start,
        end=report.end,
        policy=", ".join(dict.fromkeys(one.policy.type.value for one in report.policies)),
        total=sum(policy.successes + policy.failed for policy in report.policies),
        failed=sum(policy.failed for policy in report.policies),
        rows=kept,
        rows_left_out=left_out,
    )


def summarize_dmarc(report: Report, problems: Sequence[str]) -> ReceivedReport:
    """Return the figures of a DMARC report; ``problems`` are what was passed over in it."""
    rows: Counter[tuple[str, str, str]] = Counter()
    for row in report.rows:
        result = "pass" if row.passes else "fail"
        rows[row.source_ip, result, f"{row.disposition}, From {row.header_from}"] += row.count
    kept, left_out = _worst(rows)
    return _summary(report, kept, left_out, list(problems))


def _summary(
    report: Report, rows: list[ReceivedRow], left_out: int, problems: list[str]
) -> ReceivedReport:
    return ReceivedReport(
        kind="dmarc",
        organization=report.organization[:_LONGEST],
        contact=report.email[:_LONGEST],
        report_id=report.report_id[:_LONGEST],
        domain=report.policy.domain[:_LONGEST],
        begin=float(report.begin),
        end=float(report.end),
        policy=report.policy.p,
        total=report.messages,
        failed=report.messages - report.passed,
        rows=rows,
        rows_left_out=left_out,
        problems=[problem[:_LONGEST] for problem in problems],
    )


def _worst(rows: Counter[tuple[str, str, str]]) -> tuple[list[ReceivedRow], int]:
    """Return the rows that are kept, failures and large numbers first, and how many are not."""
    ordered = sorted(rows.items(), key=lambda row: (row[0][1] == "pass", -row[1]))
    kept = [
        ReceivedRow(what[:_LONGEST], count, result, detail[:_LONGEST])
        for (what, result, detail), count in ordered[:_MOST_ROWS]
        if count
    ]
    return kept, max(len(ordered) - _MOST_ROWS, 0)
