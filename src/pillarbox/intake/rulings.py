"""Reports a ruling as an event."""

from __future__ import annotations

from pillarbox.events.types import CheckRuled
from pillarbox.policy.ruling import Ruling

__all__ = ["ruled"]


def ruled(ruling: Ruling, *, at: float, session: str, message: str = "") -> CheckRuled:
    """Return the event for what a check said.

    Args:
        ruling: What it said.
        at: When, seconds since 1970.
        session: The session in which it was asked.
        message: The shown id of the message, where it has one.
    """
    return CheckRuled(
        at=at,
        session=session,
        check=ruling.by,
        ruling=ruling.action.name.lower(),
        reason=ruling.reason,
        message=message,
        reply="" if ruling.reply is None else str(ruling.reply),
        evidence=list(ruling.evidence),
        finding="" if ruling.finding is None else ruling.finding.code,
    )
