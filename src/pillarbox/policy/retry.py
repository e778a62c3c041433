"""When a deferred recipient is retried, when it is given up, and when the sender is told.

All times are wall-clock seconds. The wall clock may jump, so no decision trusts it alone: nobody
waits longer than the longest wait after it jumped back (``cap_wait``), and nothing expires just
because it jumped forward (``is_expired``). RFC 5321 §4.5.4.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pillarbox.smtp.reply import Reply

__all__ = [
    "JUMP_GRACE",
    "RetrySchedule",
    "cap_wait",
    "is_delay_notice_due",
    "is_expired",
    "next_attempt_at",
    "retry_hint",
    "retry_wait",
]

JUMP_GRACE: Final = 3600.0
"""Seconds after a forward jump of the wall clock in which nothing expires untried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """How long, and how often; in seconds. The defaults are the field's (see RFC 5321 §4.5.4.1)."""

    first_wait: float = 300.0
    longest_wait: float = 4 * 3600.0
    lifetime: float = 5 * 86400.0
    bounce_lifetime: float = 2 * 86400.0  # for messages from the null sender
    delay_notice: float = 4 * 3600.0  # 0: never

    def expires_at(self, accepted_at: float, *, is_bounce: bool) -> float:
        """Return when a message becomes too old."""
        return accepted_at + (self.bounce_lifetime if is_bounce else self.lifetime)


def retry_wait(
    schedule: RetrySchedule, *, attempts: int, jitter: float, hint: float | None = None
) -> float:
    """Return how long to wait after a failed attempt, in seconds.

    The wait doubles from attempt to attempt. Jitter spreads it by a quarter to both
    sides, so that what failed together does not come back together. Whatever is asked
    for, the wait stays within the schedule's bounds.

    Args:
        schedule: The bounds.
        attempts: Attempts made so far, the failed one included.
        jitter: A random number in [0, 1).
        hint: The wait that the peer asked for, from ``retry_hint``. It is never
            shortened, but within the bounds.
    """
    first, longest = schedule.first_wait, schedule.longest_wait
    if hint is not None:
        # A little later than asked, so that the peer's clock has surely passed it.
        return min(max(hint * (1 + jitter / 8), first), longest)
    # Behind 2**30 every wait is the longest.
    wait = first * 2.0 ** min(max(attempts - 1, 0), 30)
    low = max(min(wait, longest) * 0.75, min(first, longest))
    high = min(wait * 1.25, longest)
    return low + (high - low) * jitter


def next_attempt_at(
    schedule: RetrySchedule,
    *,
    now: float,
    accepted_at: float,
    attempts: int,
    jitter: float,
    hint: float | None = None,
    is_bounce: bool = False,
) -> float:
    """Return when to try again.

    The last attempt is moved to the end of the message's life, so that the sender hears
    of the failure then and not hours later.
    """
    due = now + retry_wait(schedule, attempts=attempts, jitter=jitter, hint=hint)
    end = schedule.expires_at(accepted_at, is_bounce=is_bounce)
    return end if now + schedule.first_wait <= end < due else due


def cap_wait(schedule: RetrySchedule, next_at: float, *, now: float) -> float:
    """Return a stored due time, brought closer if the wall clock has jumped back since."""
    return min(next_at, now + schedule.longest_wait)


def is_expired(
    schedule: RetrySchedule,
    *,
    now: float,
    accepted_at: float,
    is_bounce: bool,
    last_attempt_at: float | None,
    jumped_at: float | None = None,
) -> bool:
    """Return whether a recipient is given up after a failure.

    Args:
        schedule: How long messages live.
        now: The wall clock.
        accepted_at: When the message was accepted.
        is_bounce: Whether it has the null reverse-path.
        last_attempt_at: When a connection was last tried for it, None if never. A failure without
            one (no answer from DNS, a site that is left alone) does not count.
        jumped_at: The wall clock right after it last jumped forward by more than an hour; None if
            it never did.
    """
    if now < schedule.expires_at(accepted_at, is_bounce=is_bounce):
        return False
    if jumped_at is None or not 0 <= now - jumped_at < JUMP_GRACE:
        return True
    return last_attempt_at is not None and last_attempt_at >= jumped_at


def is_delay_notice_due(
    schedule: RetrySchedule, *, now: float, accepted_at: float, was_notified: bool
) -> bool:
    """Return whether it is time to tell the sender that a message is late (RFC 3461 §4.1).

    ``pillarbox.policy.notify`` decides whether the sender wants to be told.
    """
    if was_notified or schedule.delay_notice <= 0:
        return False
    return now - accepted_at >= schedule.delay_notice


# What servers say: try again in 300 seconds; retry after 5 min; wait 00:04:59.
_HINT: Final = re.compile(
    r"\b(?:in|after|for|wait)\s{1,3}(?:another\s|about\s|at\sleast\s)?"
    r"(?:(?P<clock>\d{1,2}(?::\d{2}){1,2})\b"
    r"|(?P<number>\d{1,6})\s{0,2}(?P<unit>s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?)\b)",
    re.IGNORECASE,
)
_ABOUT_RETRYING: Final = re.compile(
    r"gr[ae]y-?list|try|retry|again|wait|later|defer", re.IGNORECASE
)
_GREYLIST: Final = re.compile(r"gr[ae]y-?list", re.IGNORECASE)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_MOST_TEXT: Final = 1_000


def retry_hint(reply: Reply) -> float | None:
    """Return the wait in seconds that a temporary refusal asks for, or None.

    Greylisting that names no time is 0: the first attempt after the shortest wait will do, however
    many were made.
    """
    if not reply.is_transient:
        return None
    text = reply.text[:_MOST_TEXT]
    if _ABOUT_RETRYING.search(text) is None:
        return None
    found = _HINT.search(text)
    if found is None:
        return 0.0 if _GREYLIST.search(text) else None
    if clock := found["clock"]:
        # "5:00" is read as minutes and seconds, "00:05:00" with hours.
        seconds = 0
        for part in clock.split(":"):
            seconds = seconds * 60 + int(part)
        return float(seconds)
    return float(int(found["number"]) * _UNITS[found["unit"][0].lower()])
