"""Events about reports sent and received; ``events.types`` lists them with all others."""

from __future__ import annotations

from pillarbox.events.event import Event

__all__ = ["ReportNotRead", "ReportNotSent", "ReportReceived", "ReportSent"]


class ReportSent(Event, frozen=True, kw_only=True, omit_defaults=True, tag="report.sent"):
    """A day's report was passed to delivery, or accepted by the host that it was posted to."""

    kind: str  # "tls" (RFC 8460) or "dmarc" (RFC 9990)
    domain: str  # which it is about
    day: str  # "2026-11-21", in UTC
    to: str  # a mailto: or https: URI
    report_id: str
    sessions: int  # or messages
    size: int  # octets, packed


class ReportNotSent(Event, frozen=True, kw_only=True, omit_defaults=True, tag="report.not_sent"):
    """A day's report could not be sent to one address."""

    kind: str
    domain: str
    day: str
    to: str = ""  # "": to nobody at all
    reason: str
    next_attempt_at: float | None = None  # None: it is given up


class ReportReceived(Event, frozen=True, kw_only=True, omit_defaults=True, tag="report.received"):
    """A report was received, and its figures are stored."""

    message: str
    kind: str
    organization: str
    domain: str
    report_id: str
    sessions: int  # or messages
    failed: int  # of them
    is_proved: bool  # the sender is genuine: DMARC passed


class ReportNotRead(Event, frozen=True, kw_only=True, omit_defaults=True, tag="report.not_read"):
    """A message to an address for reports is not a report; it is treated as ordinary mail."""

    message: str
    reason: str
