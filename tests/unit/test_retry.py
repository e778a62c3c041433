"""When what was deferred is tried again, expires, or is reported late."""

from __future__ import annotations

import pytest

from pillarbox.policy.retry import (
    JUMP_GRACE,
    RetrySchedule,
    cap_wait,
    is_delay_notice_due,
    is_expired,
    next_attempt_at,
    retry_hint,
    retry_wait,
)
from pillarbox.smtp.reply import Reply

SCHEDULE = RetrySchedule()
DAY = 86_400.0


def test_waits_double_between_five_minutes_and_four_hours() -> None:
    """The middle of the jitter doubles from 5 min until 4 h bound it."""
    waits = [retry_wait(SCHEDULE, attempts=n, jitter=0.5) for n in range(1, 40)]
    assert waits[1:6] == [600, 1200, 2400, 4800, 9600]
    assert waits == sorted(waits)
    assert 300 <= waits[0] < 600
    assert waits[-1] <= 4 * 3600


@pytest.mark.parametrize(("hint", "wait"), [(0, 300), (10, 300), (900, 900), (10**6, 14_400)])
def test_hint_of_the_peer_is_obeyed_within_the_bounds(hint: float, wait: float) -> None:
    """A peer chooses the wait, between the shortest and the longest."""
    assert retry_wait(SCHEDULE, attempts=9, jitter=0.0, hint=hint) == wait


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Greylisted, please try again in 5 minutes", 300),
        ("4.2.0 greylisted for 300s", 300),
        ("try again after 1 hour", 3600),
        ("please wait 00:04:59 and retry", 299),
        ("Please retry in 5:00", 300),
        ("too many connections, retry in about 90 sec", 90),
        ("Greylisting in action, see http://example.org", 0),
        ("mailbox full, try later", None),
        ("I have seen you in 5 minutes of fame", None),
        ("try " + "in " * 10_000, None),
        ("wait " + "9" * 10_000 + " s", None),
    ],
)
def test_hints_are_read_from_what_servers_say(text: str, wait: float | None) -> None:
    """Seconds, minutes, hours and clock forms are understood; all else is no hint."""
    assert retry_hint(Reply.of(450, "4.7.1", text)) == wait


def test_permanent_refusal_gives_no_hint() -> None:
    """A 5xx reply that says "try again in 5 minutes" does not make us."""
    assert retry_hint(Reply.of(550, None, "try again in 5 minutes")) is None


def test_last_attempt_falls_on_the_end_of_the_message_s_life() -> None:
    """The sender hears of a failure when the life ends, and not a wait later."""
    now = 5 * DAY - 3600
    assert next_attempt_at(SCHEDULE, now=now, accepted_at=0, attempts=20, jitter=0.5) == 5 * DAY
    near = 5 * DAY - 10
    assert next_attempt_at(SCHEDULE, now=near, accepted_at=0, attempts=20, jitter=0.0) > 5 * DAY


def test_bounces_live_shorter_than_mail() -> None:
    """A message from the null sender is given up after two days."""
    facts = {"now": 3 * DAY, "accepted_at": 0, "last_attempt_at": 3 * DAY}
    assert is_expired(SCHEDULE, is_bounce=True, **facts)
    assert not is_expired(SCHEDULE, is_bounce=False, **facts)


def test_nothing_expires_untried_right_after_the_clock_went_forward() -> None:
    """P9: in the first hour after a forward jump, expiry needs one real attempt since."""
    jumped = 10 * DAY
    facts = {"accepted_at": 0.0, "is_bounce": False, "jumped_at": jumped}
    assert not is_expired(SCHEDULE, now=jumped + 60, last_attempt_at=None, **facts)
    assert not is_expired(SCHEDULE, now=jumped + 60, last_attempt_at=1_000, **facts)
    assert is_expired(SCHEDULE, now=jumped + 60, last_attempt_at=jumped + 30, **facts)
    assert is_expired(SCHEDULE, now=jumped + JUMP_GRACE, last_attempt_at=None, **facts)


def test_clock_that_went_back_makes_nobody_wait_longer_than_the_longest_wait() -> None:
    """P9: a due time a day ahead is brought near again."""
    assert cap_wait(SCHEDULE, 2 * DAY, now=DAY) == DAY + 4 * 3600
    assert cap_wait(SCHEDULE, DAY + 60, now=DAY) == DAY + 60


def test_delay_is_told_once_after_four_hours() -> None:
    """A delay notice is due at its age, once, and never if switched off."""
    due = {"now": 4 * 3600.0, "accepted_at": 0.0}
    assert is_delay_notice_due(SCHEDULE, **due, was_notified=False)
    assert not is_delay_notice_due(SCHEDULE, **due, was_notified=True)
    assert not is_delay_notice_due(SCHEDULE, now=100.0, accepted_at=0.0, was_notified=False)
    assert not is_delay_notice_due(RetrySchedule(delay_notice=0), **due, was_notified=False)
