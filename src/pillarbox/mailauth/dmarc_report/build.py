"""Writes a DMARC aggregate report, and the message that carries it (RFC 9990; RFC 7489 appendix C)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.sax.saxutils import escape

from pillarbox.mailauth.dmarc_report.values import DkimAuth, Report, Row, SpfAuth

__all__ = ["ReportFile", "ReportForm", "build_report", "pack_report", "report_subject"]

_NAMESPACE: Final = "urn:ietf:params:xml:ns:dmarc-2.0"
_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_IN_ID: Final = re.compile(r"[^A-Za-z0-9]")
_LONGEST: Final = 1_000
_MAX_SIGNATURES: Final = 100  # of one row (RFC 9990 §3.1.4)


class ReportForm(Enum):
    """Which standard a report follows."""

    RFC9990 = "9990"
    RFC7489 = "7489"  # without a namespace; older parsers accept nothing else


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report as it is attached to a message."""

    name: str
    media_type: str
    content: bytes


def build_report(report: Report, form: ReportForm = ReportForm.RFC9990) -> bytes:
    """Return a report as XML.

    Args:
        report: The report. Its rows are already aggregated: one for each combination.
        form: Which standard it follows; the older one omits elements that it lacks.
    """
    is_new = form is ReportForm.RFC9990
    root = f'<feedback xmlns="{_NAMESPACE}">' if is_new else "<feedback>"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', root, " <version>1.0</version>"]
    lines += _metadata(report, is_new=is_new)
    lines += _policy(report, is_new=is_new)
    for row in report.rows:
        lines += _record(row, is_new=is_new)
    lines += ["</feedback>", ""]
    return "\n".join(lines).encode()


def pack_report(report: Report, xml: bytes, *, receiver: str) -> ReportFile:
    """Return a report compressed and named as RFC 9990 §3.5.2 requires.

    Args:
        report: What it says.
        xml: Its XML from ``build_report``.
        receiver: The domain of the reporter.
    """
    unique = _NOT_IN_ID.sub("", report.report_id)[:64]
    parts = [receiver, report.policy.domain, str(report.begin), str(report.end)]
    name = "!".join([*parts, unique] if unique else parts)
    # Without a timestamp, a report that is sent again compresses to the same octets.
    return ReportFile(f"{name}.xml.gz", "application/gzip", gzip.compress(xml, mtime=0))


def report_subject(report: Report, *, receiver: str) -> str:
    """Return the Subject of the message that carries a report (RFC 9990 §3.5.2)."""
    return (
        f"Report Domain: {report.policy.domain} Submitter: {receiver} "
        f"Report-ID: <{report.report_id}>"
    )


def _metadata(report: Report, *, is_new: bool) -> Iterable[str]:
    yield " <report_metadata>"
    yield _element(2, "org_name", report.organization)
    yield _element(2, "email", report.email)
    if report.contact:
        yield _element(2, "extra_contact_info", report.contact)
    yield _element(2, "report_id", report.report_id)
    yield f"  <date_range><begin>{report.begin}</begin><end>{report.end}</end></date_range>"
    for error in report.errors:
        yield _element(2, "error", error)
    if is_new and report.generator:
        yield _element(2, "generator", report.generator)
    yield " </report_metadata>"


def _policy(report: Report, *, is_new: bool) -> Iterable[str]:
    policy = report.policy
    yield " <policy_published>"
    yield _element(2, "domain", policy.domain)
    if is_new and policy.discovery_method:
        yield _element(2, "discovery_method", policy.discovery_method)
    # The older form has the alignments first, and always requires sp and pct.
    alignments = [("adkim", policy.adkim), ("aspf", policy.aspf)]
    if is_new:
        policies = [("p", policy.p), ("sp", policy.sp), ("np", policy.np), ("fo", policy.fo)]
        named = [*policies, *alignments, ("testing", policy.testing)]
    else:
        policies = [("p", policy.p), ("sp", policy.sp or policy.p), ("pct", policy.pct or "100")]
        named = [*alignments, *policies, ("fo", policy.fo or "0")]
    for name, value in named:
        if value:
            yield _element(2, name, value)
    yield " </policy_published>"


def _record(row: Row, *, is_new: bool) -> Iterable[str]:
    disposition = "none" if row.disposition == "pass" and not is_new else row.disposition
    yield " <record>"
    yield "  <row>"
    yield _element(3, "source_ip", row.source_ip)
    yield f"   <count>{row.count}</count>"
    yield "   <policy_evaluated>"
    for name, value in (("disposition", disposition), ("dkim", row.dkim), ("spf", row.spf)):
        yield _element(4, name, value)
    for reason in row.reasons:
        comment = _element(0, "comment", reason.comment) if reason.comment else ""
        kind = "other" if not is_new and reason.type == "policy_test_mode" else reason.type
        yield f"    <reason>{_element(0, 'type', kind)}{comment}</reason>"
    yield "   </policy_evaluated>"
    yield "  </row>"
    yield "  <identifiers>"
    if row.envelope_to:
        yield _element(3, "envelope_to", row.envelope_to)
    yield _element(3, "envelope_from", row.envelope_from)
    yield _element(3, "header_from", row.header_from)
    yield "  </identifiers>"
    yield "  <auth_results>"
    for signature in row.dkim_auth[:_MAX_SIGNATURES]:
        yield _dkim(signature)
    for result in row.spf_auth[:1] if is_new else row.spf_auth:
        yield _spf(result)
    yield "  </auth_results>"
    yield " </record>"


def _dkim(one: DkimAuth) -> str:
    inner = _element(0, "domain", one.domain) + _element(0, "selector", one.selector)
    return f"   <dkim>{inner}{_result(one.result, one.human_result)}</dkim>"


def _spf(one: SpfAuth) -> str:
    inner = _element(0, "domain", one.domain) + _element(0, "scope", one.scope)
    return f"   <spf>{inner}{_result(one.result, one.human_result)}</spf>"


def _result(result: str, human: str) -> str:
    return _element(0, "result", result) + (_element(0, "human_result", human) if human else "")


def _element(depth: int, name: str, text: str) -> str:
    return f"{' ' * depth}<{name}>{escape(_NOT_XML.sub('?', text[:_LONGEST]))}</{name}>"
