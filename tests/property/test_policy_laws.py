"""Laws of retrying and of expanding aliases."""

from __future__ import annotations

from hypothesis import given, strategies as st

from pillarbox.policy.behavior import behavior_of
from pillarbox.policy.recipients import (
    MAX_EXPANSION,
    LocalDomain,
    LocalDomains,
    ResolutionKind,
)
from pillarbox.policy.replies import classify
from pillarbox.policy.retry import RetrySchedule, next_attempt_at, retry_hint, retry_wait
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import Reply

JITTER = st.floats(0, 1, exclude_max=True)
NAMES = st.sampled_from([f"n{number}" for number in range(8)])


@given(
    attempts=st.integers(0, 10_000),
    jitter=JITTER,
    hint=st.none() | st.floats(0, 1e12),
    first=st.floats(1, 1_000),
    longest=st.floats(1_000, 100_000),
)
def test_every_wait_is_within_the_bounds(
    attempts: int, jitter: float, hint: float | None, first: float, longest: float
) -> None:
    """No number of attempts, jitter or hint leaves the schedule's bounds."""
    schedule = RetrySchedule(first_wait=first, longest_wait=longest)
    wait = retry_wait(schedule, attempts=attempts, jitter=jitter, hint=hint)
    assert first <= wait <= longest


@given(now=st.floats(0, 1e6), attempts=st.integers(1, 50), jitter=JITTER)
def test_next_attempt_is_in_the_future_and_not_far_behind_the_end(
    now: float, attempts: int, jitter: float
) -> None:
    """The next attempt is at least the shortest wait away, and no life is prolonged by it."""
    schedule = RetrySchedule()
    due = next_attempt_at(schedule, now=now, accepted_at=0, attempts=attempts, jitter=jitter)
    assert now + schedule.first_wait <= due <= now + schedule.longest_wait
    if now + schedule.first_wait <= schedule.lifetime:
        assert due <= schedule.lifetime


@given(st.text(), st.integers(0, 999), st.sampled_from(Stage))
def test_any_reply_is_judged(text: str, code: int, stage: Stage) -> None:
    """I02: no code and no text of a peer raises; only 5xx is ever permanent."""
    reply = Reply.of(code, None, text)
    assert not classify(stage, reply).is_permanent or 500 <= code < 600
    hint = retry_hint(reply)
    assert hint is None or hint >= 0


@given(
    aliases=st.dictionaries(NAMES, st.lists(NAMES | st.just("out"), min_size=1, max_size=5)),
    listed=st.frozensets(NAMES),
    name=NAMES,
)
def test_any_net_of_aliases_ends(
    aliases: dict[str, list[str]], listed: frozenset[str], name: str
) -> None:
    """Loops and crossings end: destinations are distinct and real, or there is a reply."""
    targets = {
        alias: tuple(
            Mailbox(target, "elsewhere.test" if target == "out" else "local.test")
            for target in names
        )
        for alias, names in aliases.items()
    }
    domain = LocalDomain(name="local.test", recipients=listed, aliases=targets)
    found = LocalDomains([domain]).resolve(Mailbox(name, "local.test"))
    ends = found.destinations
    assert bool(ends) == (found.reply is None)
    assert len(set(ends)) == len(ends) <= MAX_EXPANSION
    for end in ends:
        assert end.address.local_part in listed if end.is_local else "out"
    if name in listed and name not in aliases:
        assert found.kind is ResolutionKind.LOCAL


@given(st.text())
def test_any_local_part_has_a_behavior(local_part: str) -> None:
    """A lab server knows what to do for every address."""
    assert behavior_of(local_part).delay >= 0
