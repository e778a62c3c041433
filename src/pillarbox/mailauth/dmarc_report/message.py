"""Finds the aggregate reports in the message that carries them (RFC 9990 §3.5.2).

The standard prescribes no structure: whatever looks like a report by its type or name is taken,
wherever it is, and the rest is ignored.
"""

from __future__ import annotations

from typing import Final

from pillarbox.mailauth.dmarc_report.parse import ReadReport, read_report
from pillarbox.mailauth.dmarc_report.unpack import DEFAULT_REPORT_LIMITS, ReportLimits
from pillarbox.message.transfer import is_known_transfer
from pillarbox.message.tree import FEW_PARTS, Node, leaves

__all__ = ["read_report_message"]

_MAX_REPORTS: Final = 10  # in one message; there should be one
_TYPES: Final = frozenset(
    {
        "application/gzip",
        "application/x-gzip",
        "application/gzip-compressed",
        "application/zip",
        "application/x-zip",
        "application/x-zip-compressed",
        "application/xml",
        "text/xml",
    }
)
_NAMES: Final = (".xml", ".xml.gz", ".gz", ".zip")


def read_report_message(
    octets: bytes, limits: ReportLimits = DEFAULT_REPORT_LIMITS
) -> tuple[ReadReport, ...]:
    """Read the reports in a message; () if nothing in it looks like one.

    Args:
        octets: The message, with CRLF line ends.
        limits: Size limits for each report.
    """
    looking_like_one = [part for part in leaves(octets, FEW_PARTS) if _looks_like_report(part)]
    return tuple(_read(part, limits) for part in looking_like_one[:_MAX_REPORTS])


def _looks_like_report(part: Node) -> bool:
    return part.media_type in _TYPES or part.filename.lower().endswith(_NAMES)


def _read(part: Node, limits: ReportLimits) -> ReadReport:
    if not is_known_transfer(part.encoding):
        return ReadReport(report=None, refusal=f"its encoding {part.encoding[:40]!a} is not known")
    return read_report(part.content, limits)
