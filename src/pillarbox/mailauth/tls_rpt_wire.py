"""The JSON schema of a TLS report, field by field (RFC 8460 §4.4).

Fields that senders leave out are optional; null counts as absent. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = [
    "DateRange",
    "FailureDetail",
    "Policy",
    "PolicyResult",
    "Report",
    "Summary",
    "texts",
]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class DateRange(msgspec.Struct, rename="kebab"):
    """The period of a report, in the format of RFC 3339."""

    start_datetime: str
    end_datetime: str


class Policy(msgspec.Struct, rename="kebab", omit_defaults=True):
    """A policy that was applied."""

    policy_type: str
    policy_domain: str
    policy_string: list[str] | str | None = None
    mx_host: list[str] | str | None = None  # RFC 8460 shows it in both forms


class Summary(msgspec.Struct, rename="kebab"):
    """How many sessions."""

    total_successful_session_count: Count
    total_failure_session_count: Count


class FailureDetail(msgspec.Struct, rename="kebab", omit_defaults=True):
    """One kind of failure."""

    result_type: str
    failed_session_count: Count
    sending_mta_ip: str | None = None
    receiving_mx_hostname: str | None = None
    receiving_mx_helo: str | None = None
    receiving_ip: str | None = None
    additional_information: str | None = None
    failure_reason_code: str | None = None


class PolicyResult(msgspec.Struct, rename="kebab", omit_defaults=True):
    """What happened under one policy."""

    policy: Policy
    summary: Summary
    failure_details: list[FailureDetail] | None = None


class Report(msgspec.Struct, rename="kebab"):
    """A report."""

    organization_name: str
    date_range: DateRange
    report_id: str
    policies: list[PolicyResult]
    contact_info: str | None = None


def texts(value: list[str] | str | None) -> tuple[str, ...]:
    """Return a list of texts from a list or a single text."""
    if isinstance(value, str):
        return tuple(value.splitlines())
    return tuple(value or ())
