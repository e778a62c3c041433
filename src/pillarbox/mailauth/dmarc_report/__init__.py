"""DMARC aggregate reports (RFC 9990, and the older form): building and parsing."""

from __future__ import annotations

from pillarbox.mailauth.dmarc_report.build import (
    ReportFile,
    ReportForm,
    build_report,
    pack_report,
    report_subject,
)
from pillarbox.mailauth.dmarc_report.message import read_report_message
from pillarbox.mailauth.dmarc_report.parse import ReadReport, read_report
from pillarbox.mailauth.dmarc_report.unpack import ReportLimits, ReportRefused, unpack
from pillarbox.mailauth.dmarc_report.values import (
    DkimAuth,
    OverrideReason,
    PublishedPolicy,
    Report,
    Row,
    SpfAuth,
)

__all__ = [
    "DkimAuth",
    "OverrideReason",
    "PublishedPolicy",
    "ReadReport",
    "Report",
    "ReportFile",
    "ReportForm",
    "ReportLimits",
    "ReportRefused",
    "Row",
    "SpfAuth",
    "build_report",
    "pack_report",
    "read_report",
    "read_report_message",
    "report_subject",
    "unpack",
]
