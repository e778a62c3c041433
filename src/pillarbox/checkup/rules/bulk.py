"""The requirements of Gmail, Yahoo and Microsoft for senders of over 5,000 messages a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.checkup.remark import Area, Remark, Status

__all__ = ["Rule", "judge_bulk"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, and whether it is kept as far as DNS can tell."""

    status: Status  # PASS, FAIL or SKIP
    what: str
    asked_by: str
    why: str  # what decided, or how to find out


_ALL = "Gmail, Yahoo, Microsoft"
_DECIDING = (
    (Area.SPF, "SPF authorizes the hosts that send"),
    (Area.DKIM, "DKIM signs every message"),
    (Area.DMARC, "DMARC has a policy, p=none at least"),
    (Area.SENDERS, "Sending addresses have names that lead back to them"),
)
_UNSEEN = (
    ("From is aligned with the domain of SPF or DKIM", _ALL, "pillarbox check message MAIL"),
    ("Bulk mail has one-click unsubscribe (RFC 8058)", _ALL, "pillarbox check message MAIL"),
    (
        "Less than 0.3 % of the mail is reported as spam",
        "Gmail, Yahoo",
        "Google Postmaster Tools, Yahoo Sender Hub",
    ),
    ("Mail is sent with TLS", "Gmail", "pillarbox check message MAIL"),
)


def judge_bulk(remarks: tuple[Remark, ...]) -> tuple[Rule, ...]:
    """Return the rules as a checklist; what DNS cannot tell is "could not be tested"."""
    decided = tuple(_decided(remarks))
    return (*decided, *(Rule(Status.SKIP, *one) for one in _UNSEEN)) if decided else ()


def _decided(remarks: tuple[Remark, ...]) -> Iterator[Rule]:
    for area, what in _DECIDING:
        own = [remark for remark in remarks if remark.area is area]
        failed = next((one for one in own if one.status is Status.FAIL or _is_absent(one)), None)
        passed = next((one for one in own if one.status in {Status.PASS, Status.INFO}), None)
        warned = next((one for one in own if one.status is Status.WARN), None)
        skipped = next((one for one in own if one.status is Status.SKIP), None)
        decisive = failed or skipped or warned or passed
        if decisive is None:
            continue
        status = Status.FAIL if failed else Status.SKIP if skipped else Status.PASS
        if skipped and passed and area is not Area.SPF and not failed:
            status, decisive = Status.PASS, passed
        yield Rule(status, what, _ALL, decisive.code)


def _is_absent(remark: Remark) -> bool:
    return remark.code == "PB-DMARC-003"
