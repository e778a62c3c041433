"""Reporting days: from midnight to midnight UTC (RFC 8460 §4.1, RFC 9990 §3.5)."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

__all__ = ["DAY", "LAST_DAYS", "begin_of", "day_of", "days_before", "due_at"]

DAY: Final = 86_400  # seconds
LAST_DAYS: Final = 3  # a report that could not be sent by then is useless
_SETTLED: Final = 600  # seconds after midnight until what all nodes counted is in the store


def day_of(at: float) -> str:
    """Return the day of a moment, such as ``2026-11-21``.

    Args:
        at: Seconds since 1970.
    """
    return _name(int(at // DAY))


@lru_cache(maxsize=8)
def _name(number: int) -> str:
    return datetime.fromtimestamp(number * DAY, UTC).date().isoformat()


def begin_of(day: str) -> int:
    """Return when a day begins, in seconds since 1970; its last second is a day later less 1."""
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY


def days_before(at: float) -> tuple[str, ...]:
    """Return the days that are over and may still be reported, the oldest first."""
    today = int(at // DAY)
    return tuple(_name(today - back) for back in range(LAST_DAYS, 0, -1))


def due_at(day: str, domain: str, reporter: str, spread: float) -> float:
    """Return when the report of a day is sent, in seconds since 1970.

    All nodes compute the same time, which differs between domains, to spread the load (RFC 8460
    §4.1 suggests a delay of up to four hours).

    Args:
        day: The day that is over.
        domain: The domain that the report is about.
        reporter: Who reports.
        spread: Seconds over which reports go out.
    """
    digest = hashlib.sha256(f"{reporter}\0{domain}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return begin_of(day) + DAY + _SETTLED + share * spread
