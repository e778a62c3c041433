"""Parses a received DMARC aggregate report (RFC 9990; RFC 7489 appendix C).

Reports are written by many programs, some of them badly; a valid row is used, an invalid one is
skipped and listed as a problem. Anything that is not a report is refused with the reason. Callers
must not act on a report that came without an aligned signature of its sender (RFC 9990 §3.5.2).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.mailauth.dmarc_report.unpack import (
    DEFAULT_REPORT_LIMITS,
    ReportLimits,
    ReportRefused,
    unpack,
)
from pillarbox.mailauth.dmarc_report.values import (
    DkimAuth,
    OverrideReason,
    PublishedPolicy,
    Report,
    Row,
    SpfAuth,
)
from pillarbox.mailauth.dmarc_report.xml_tree import Element, parse_xml

__all__ = ["ReadReport", "read_report"]

_MAX_PROBLEMS: Final = 20
_MAX_AUTH: Final = 100  # results of one kind in a row (RFC 9990 §3.1.4)
_MAX_COUNT: Final = 10**12
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31
_NUMBER: Final = re.compile(r"([0-9]{1,15})(?:\.[0-9]{1,6})?")  # some write 1337270400.0
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_.\u0080-\U0010ffff-]{1,255}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
_POLICIES: Final = frozenset({"none", "quarantine", "reject"})
_DISPOSITIONS: Final = _POLICIES | {"pass"}
_ENCODING: Final = re.compile(rb"""<\?xml[^>]{0,100}encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """The result of parsing: a report, or why there is none."""

    report: Report | None
    refusal: str = ""
    problems: tuple[str, ...] = field(default=())  # what was skipped

    def finding(self) -> Finding:
        """Return the findings about it."""
        if self.report is None:
            return Finding(
                level=Level.ERROR,
                code="PB-REPORT-001",
                what=f"The DMARC report is refused: {self.refusal}",
                why="A report that cannot be read is of no use, and may be an attack.",
            )
        if self.problems:
            return Finding(
                level=Level.WARNING,
                code="PB-REPORT-002",
                what=f"The DMARC report of {self.report.organization} is not as it should be",
                why="What could not be understood is left out of the figures.",
                evidence=self.problems,
            )
        return Finding(
            level=Level.OK,
            code="PB-REPORT-000",
            what=f"The DMARC report of {self.report.organization} is sound",
        )


def read_report(octets: bytes, limits: ReportLimits = DEFAULT_REPORT_LIMITS) -> ReadReport:
    """Read a report as sent: XML, plain or compressed with gzip or zip.

    Args:
        octets: The attachment, decoded.
        limits: Its size limits.
    """
    reader = _Reader()
    try:
        report = reader.read(unpack(octets, limits), limits)
    except ReportRefused as error:
        return ReadReport(report=None, refusal=str(error))
    return ReadReport(report=report, problems=tuple(reader.problems))


class _Reader:
    """Reads one report."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._rows: list[Row] = []
        self._records = 0

    def read(self, octets: bytes, limits: ReportLimits) -> Report:
        octets, encoding = self._decoded(octets)
        root = parse_xml(
            octets,
            encoding=encoding,
            max_elements=limits.max_elements,
            take="record",
            taker=self._take_record,
        )
        if root.name != "feedback":
            raise ReportRefused(f"its root is {root.name[:40]!a}, and not feedback")
        metadata = root.child("report_metadata")
        if not metadata:
            raise ReportRefused("report_metadata is missing")
        policy = self._policy(root.child("policy_published"))
        begin, end = self._range(metadata.child("date_range"))
        if self._records and not self._rows:
            raise ReportRefused("none of its records can be understood")
        return Report(
            organization=_line(metadata, "org_name"),
            email=_line(metadata, "email"),
            report_id=_line(metadata, "report_id"),
            begin=begin,
            end=end,
            policy=policy,
            rows=tuple(self._rows),
            contact=_line(metadata, "extra_contact_info"),
            generator=_line(metadata, "generator"),
            errors=tuple(_clean(one.text) for one in metadata.all_of("error")),
        )

    def _decoded(self, octets: bytes) -> tuple[bytes, str | None]:
        """Repair invalid UTF-8, the only common damage."""
        octets = octets.lstrip(b" \t\r\n")
        declared = _ENCODING.match(octets.removeprefix(b"\xef\xbb\xbf"))
        if declared is not None and declared[1].lower() not in {b"utf-8", b"utf8", b"us-ascii"}:
            return octets, None
        if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
            return octets, None
        try:
            octets.decode()
        except UnicodeDecodeError as error:
            self._note(f"it is not UTF-8 at octet {error.start}")
            octets = octets.decode("utf-8", "replace").encode()
        return octets, "utf-8"

    def _note(self, problem: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)

    def _policy(self, published: Element) -> PublishedPolicy:
        domain = _domain(published.get("domain"))
        if not domain:
            raise ReportRefused("policy_published names no domain")
        p = published.get("p").lower()
        if p not in _POLICIES:
            self._note(f"the published policy {p[:40]!a} is none")
            p = "none"
        return PublishedPolicy(
            domain=domain,
            p=p,
            sp=_word(published, "sp"),
            np=_word(published, "np"),
            adkim=_word(published, "adkim"),
            aspf=_word(published, "aspf"),
            fo=_word(published, "fo"),
            testing=_word(published, "testing"),
            discovery_method=_word(published, "discovery_method"),
            pct=_word(published, "pct"),
        )

    def _range(self, dates: Element) -> tuple[int, int]:
        begin, end = _number(dates.get("begin")), _number(dates.get("end"))
        if begin is None or end is None or not 0 <= begin <= end <= _LAST_SECOND:
            raise ReportRefused("date_range is no period of time")
        return begin, end

    def _take_record(self, record: Element) -> None:
        self._records += 1
        try:
            self._rows.append(_row(record))
        except _BadRow as error:
            self._note(f"record {self._records}: {error}")


class _BadRow(Exception):  # noqa: N818 - never leaves this module
    """A record without anything that can be counted."""


def _row(record: Element) -> Row:
    row, identifiers, auth = (
        record.child("row"),
        *map(record.child, ("identifiers", "auth_results")),
    )
    evaluated = row.child("policy_evaluated")
    count = _number(row.get("count"))
    if count is None or not 0 < count <= _MAX_COUNT:
        raise _BadRow(f"the count {row.get('count')[:40]!a} is no number")
    header_from = _domain(identifiers.get("header_from"))
    if not header_from:
        raise _BadRow(f"header_from {identifiers.get('header_from')[:40]!a} is no domain")
    disposition = evaluated.get("disposition").lower()
    reasons = (
        OverrideReason(_word(one, "type"), _line(one, "comment"))
        for one in list(evaluated.all_of("reason"))[:_MAX_AUTH]
    )
    return Row(
        source_ip=_address(row.get("source_ip")),
        count=count,
        disposition=disposition if disposition in _DISPOSITIONS else "none",
        dkim="pass" if evaluated.get("dkim").lower() == "pass" else "fail",
        spf="pass" if evaluated.get("spf").lower() == "pass" else "fail",
        header_from=header_from,
        envelope_from=_domain(identifiers.get("envelope_from")),
        envelope_to=_domain(identifiers.get("envelope_to")),
        reasons=tuple(one for one in reasons if one.type or one.comment),
        dkim_auth=tuple(_dkim(one) for one in list(auth.all_of("dkim"))[:_MAX_AUTH]),
        spf_auth=tuple(_spf(one) for one in list(auth.all_of("spf"))[:_MAX_AUTH]),
    )


def _dkim(element: Element) -> DkimAuth:
    return DkimAuth(
        _domain(element.get("domain")),
        _word(element, "selector"),
        _word(element, "result"),
        _line(element, "human_result"),
    )


def _spf(element: Element) -> SpfAuth:
    return SpfAuth(
        _domain(element.get("domain")),
        _word(element, "result"),
        _word(element, "scope") or "mfrom",
        _line(element, "human_result"),
    )


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise _BadRow(f"source_ip {text[:40]!a} is no address") from None


def _domain(text: str) -> str:
    text = text.rstrip(".").lower()
    return text if _DOMAIN.fullmatch(text) else ""


def _number(text: str) -> int | None:
    found = _NUMBER.fullmatch(text)
    return int(found[1]) if found else None


def _word(element: Element, name: str) -> str:
    return _clean(element.get(name)).lower()[:100]


def _line(element: Element, name: str) -> str:
    return _clean(element.get(name))


def _clean(text: str) -> str:
    """Return text as one line, without terminal control characters."""
    return _CONTROL.sub(" ", text).strip()[:1_000]
