"""Builds delivery status notifications (RFC 3464 in multipart/report, RFC 6522).

A notification is plain text for people first, then exact fields for programs, then the original.
Every line ends in CRLF and has at most 998 octets, and everything is ASCII except an address that
needs SMTPUTF8, so that any peer can accept it. A peer's text is shown without control characters.
The original is returned in full only if it failed, is small and is 7-bit; otherwise only its header
(RFC 3461 §4.3). ``pillarbox.policy.notify`` decides which notification is due.
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from dataclasses import dataclass
from typing import Final

from pillarbox.message.dsn_report import (
    Action,
    Original,
    RecipientReport,
    Report,
    clean_text,
    status_of,
)
from pillarbox.message.dsn_text import explain, subject_of
from pillarbox.message.trace import format_date
from pillarbox.smtp.address import Mailbox, ascii_domain
from pillarbox.smtp.envelope import Ret

__all__ = [
    "MAX_RETURNED",
    "Action",
    "Dsn",
    "Original",
    "RecipientReport",
    "Report",
    "build_dsn",
    "status_of",
]

MAX_RETURNED: Final = 64 * 1024
"""Octets of the original that a notification returns at most."""

_LONGEST_LINE: Final = 998  # RFC 5322 §2.1.1
_FOLDED_LINE: Final = 76
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
# RFC 6533 §3, utf-8-addr-xtext: these characters must be escaped.
_NOT_XTEXT: Final = re.compile(r"[^!-*,-<>-\[\]-~]")


@dataclass(frozen=True, slots=True)
class Dsn:
    """A finished notification; it is sent with the null reverse-path."""

    content: bytes
    header_size: int
    needs_smtputf8: bool  # then its header contains UTF-8, and nothing else is 8-bit


def build_dsn(report: Report) -> Dsn:
    """Return the notification as octets."""
    is_utf8 = report.to.needs_smtputf8
    returned, returns_all = _returned_part(report, is_utf8=is_utf8)
    parts = (
        _part("text/plain; charset=utf-8", explain(report, returns_all=returns_all).encode()),
        _part(
            "message/global-delivery-status" if is_utf8 else "message/delivery-status",
            _status(report, is_utf8=is_utf8).encode(),
        ),
        returned,
    )
    boundary = _boundary(report.message_id, parts)
    delimiter = f"\r\n--{boundary}\r\n".encode()
    header = _header(report, boundary).encode()
    body = delimiter[2:] + delimiter.join(parts) + f"\r\n--{boundary}--\r\n".encode()
    return Dsn(header + body, len(header), is_utf8)


def _header(report: Report, boundary: str) -> str:
    fields = [
        f"From: Mail Delivery System <{report.author}>",
        f"To: <{report.to}>",
        f"Subject: {subject_of(report)}",
        f"Date: {format_date(report.at)}",
        f"Message-ID: {report.message_id}",
        "Auto-Submitted: auto-replied",  # RFC 3834 §5
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
    ]
    original = report.original.message_id
    if original.isascii() and original.isprintable() and 0 < len(original) <= _LONGEST_LINE - 20:
        fields.insert(5, f"In-Reply-To: {original}")
    return "".join(f"{field}\r\n" for field in [*fields, ""])


def _has_long_lines(content: bytes) -> bool:
    return max(map(len, content.split(b"\r\n"))) > _LONGEST_LINE


def _boundary(message_id: str, parts: tuple[bytes, ...]) -> str:
    """Return a boundary that no part contains (RFC 2046 §5.1.1)."""
    unique = re.sub(r"[^A-Za-z0-9]", "", message_id)[:40]
    number = 0
    while any(f"=_{number}_{unique}".encode() in part for part in parts):
        number += 1
    return f"=_{number}_{unique}"


def _part(content_type: str, content: bytes) -> bytes:
    """Return a MIME part in ASCII and short lines (RFC 2045 §6)."""
    encoding = "7bit"
    if not content.isascii() or _has_long_lines(content):
        encoding = "quoted-printable"
        content = b2a_qp(content, istext=True)
    return (
        f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode() + content


# --- the original -------------------------------------------------------------------


def _returned_part(report: Report, *, is_utf8: bool) -> tuple[bytes, bool]:
    """Return the part that holds the original, and whether it holds all of it."""
    if _returns_all(report):
        return _part("message/rfc822", report.original.octets), True
    header = _cut(report.original.octets[: report.original.header_size])
    kind = "message/global-headers" if is_utf8 else "text/rfc822-headers"
    if not header.isascii() and not is_utf8:
        kind = f"{kind}; charset=utf-8"
    return _part(kind, header), False


def _returns_all(report: Report) -> bool:
    original = report.original
    if report.ret is Ret.HEADERS or all(
        recipient.action is not Action.FAILED for recipient in report.recipients
    ):
        return False  # RFC 3461 §4.3: RET=FULL is for failures only
    # message/rfc822 cannot be encoded (RFC 2046 §5.2.1), so content that some peers would not
    # accept unencoded is left out.
    return (
        original.is_whole
        and len(original.octets) <= MAX_RETURNED
        and original.octets.isascii()
        and not _has_long_lines(original.octets)
        and not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", original.octets)
    )


def _cut(header: bytes) -> bytes:
    """Return complete lines of a header up to the size limit, all with CRLF."""
    if len(header) > MAX_RETURNED:
        header = header[: header.rfind(b"\r\n", 0, MAX_RETURNED) + 2]
    header = re.sub(rb"\r\n|\r|\n", b"\r\n", header).replace(b"\x00", b"?")
    return header if header.endswith(b"\r\n") else header + b"\r\n"


# --- the report for programs --------------------------------------------------------


def _status(report: Report, *, is_utf8: bool) -> str:
    """Return the content of message/delivery-status (RFC 3464 §2.1)."""
    fields = []
    if report.envelope_id:
        fields.append(("Original-Envelope-Id", clean_text(report.envelope_id)))
    fields.append(("Reporting-MTA", f"dns; {ascii_domain(report.hostname)}"))
    fields.append(("Arrival-Date", format_date(report.arrived_at)))
    groups = [fields]
    groups += [_recipient_fields(recipient, is_utf8=is_utf8) for recipient in report.recipients]
    return "\r\n".join("".join(_fold(*item) for item in group) for group in groups)


def _recipient_fields(report: RecipientReport, *, is_utf8: bool) -> list[tuple[str, str]]:
    """Return the fields of one recipient (RFC 3464 §2.3)."""
    fields = []
    if report.recipient.original:
        fields.append(("Original-Recipient", _original_recipient(report.recipient.original)))
    fields.append(("Final-Recipient", _final_recipient(report.recipient.address, is_utf8=is_utf8)))
    fields.append(("Action", report.action.value))
    fields.append(("Status", str(report.status)))
    if report.remote:
        fields.append(("Remote-MTA", f"dns; {_ascii(report.remote)}"))
    if report.diagnostic:
        # RFC 3464 §2.3.6: the type "smtp" is only for replies of an SMTP server.
        kind = "smtp" if report.remote else "x-pillarbox"
        fields.append(("Diagnostic-Code", f"{kind}; {_ascii(report.diagnostic)}"))
    if report.last_attempt_at is not None:
        fields.append(("Last-Attempt-Date", format_date(report.last_attempt_at)))
    if report.will_retry_until is not None and report.action is Action.DELAYED:
        fields.append(("Will-Retry-Until", format_date(report.will_retry_until)))
    return fields


def _original_recipient(orcpt: str) -> str:
    """Return ORCPT with its xtext decoded, if the result is plain (RFC 3464 §2.3.1)."""
    kind, _, address = orcpt.partition(";")
    if kind.lower() != "utf-8":  # utf-8 encoding is valid as it is (RFC 6533 §3)
        decoded = _XTEXT.sub(lambda match: chr(int(match[1], 16)), address)
        if decoded.isascii() and decoded.isprintable():
            address = decoded
    return f"{_ascii(kind)}; {_ascii(address)}"


def _final_recipient(address: Mailbox, *, is_utf8: bool) -> str:
    text = clean_text(str(address))
    if text.isascii():
        return f"rfc822; {text}"
    if is_utf8:
        return f"utf-8; {text}"
    return "utf-8; " + _NOT_XTEXT.sub(lambda match: f"\\x{{{ord(match[0]):X}}}", text)


def _ascii(text: str) -> str:
    return clean_text(text).encode("ascii", "replace").decode()


def _fold(name: str, value: str) -> str:
    """Return a field, folded at blanks; a word too long for any line is cut (RFC 5322 §2.2.3)."""
    lines = [f"{name}:"]
    for word in value.split():
        if len(lines[-1]) + 1 + len(word) > _FOLDED_LINE and lines[-1].strip() != f"{name}:":
            lines.append("")
        lines[-1] += f" {word[: _LONGEST_LINE - len(name) - 10]}"
    return "\r\n".join(lines) + "\r\n"
