"""The messages that carry reports (RFC 8460 §5.3, RFC 9990 §3.5.2)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from pillarbox.mailauth.tls_rpt import report_filename, report_subject
from pillarbox.smtp.address import Mailbox

__all__ = ["PackedReport", "report_message"]

_LINE: Final = 76  # characters of base64 (RFC 2045 §6.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedReport:
    """A report that is ready to be sent."""

    domain: str  # which it is about
    submitter: str  # our domain
    report_id: str
    filename: str
    media_type: str
    content: bytes
    text: str  # what a person reads who opens the message; lines of ASCII
    report_type: str = ""  # of multipart/report (RFC 6522); "": the report is an attachment

    @classmethod
    def of_tls(
        cls,
        *,
        domain: str,
        submitter: str,
        report_id: str,
        start: int,
        end: int,
        content: bytes,
        text: str,
    ) -> PackedReport:
        """Return a TLS report with the names that RFC 8460 gives it."""
        return cls(
            domain=domain,
            submitter=submitter,
            report_id=report_id,
            filename=report_filename(submitter, domain, start, end),
            media_type="application/tlsrpt+gzip",
            content=content,
            text=text,
            report_type="tlsrpt",
        )


def report_message(report: PackedReport, *, sender: Mailbox, to: Mailbox) -> bytes:
    """Return the message, without Date and Message-ID, which the door adds.

    Args:
        report: What is sent.
        sender: From whom; a signature of its domain is put on top (RFC 8460 §3).
        to: One of those who want it.
    """
    # Equal reports make equal messages, so that one that is sent again is seen to be.
    boundary = hashlib.sha256(report.report_id.encode() + report.content).hexdigest()[:32]
    is_tls = bool(report.report_type)
    kind = f"report; report-type={report.report_type}" if is_tls else "mixed"
    subject = report_subject(report.submitter, report.domain, report.report_id)
    lines = [
        f"From: <{sender}>",
        f"To: <{to}>",
        f"Subject: {subject.replace(' Submitter:', _FOLD_SUBMITTER).replace(' Report-ID:', _FOLD_ID)}",
        *(_tls_fields(report) if is_tls else ()),
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/{kind};\r\n\tboundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "Content-Transfer-Encoding: 7bit",
        "",
        *report.text.splitlines(),
        "",
        f"--{boundary}",
        f"Content-Type: {report.media_type}",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment;\r\n\tfilename="{report.filename}"',
        "",
        *_base64_lines(report.content),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii", "replace")


_FOLD_SUBMITTER: Final = "\r\n Submitter:"
_FOLD_ID: Final = "\r\n Report-ID:"


def _tls_fields(report: PackedReport) -> tuple[str, ...]:
    return (
        f"TLS-Report-Domain: {report.domain}",
        f"TLS-Report-Submitter: {report.submitter}",
        # RFC 8460 §3: a report goes out whatever has become of TLS, since it may be about
        # just that. This asks of each server on the way to see it so (RFC 8689 §3).
        "TLS-Required: No",
    )


def _base64_lines(octets: bytes) -> list[str]:
    text = base64.b64encode(octets).decode("ascii")
    return [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
