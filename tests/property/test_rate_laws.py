"""Laws of rates: never more than the bucket and what flowed in, and waits that are kept."""

from __future__ import annotations

from hypothesis import given, strategies as st

from pillarbox.limits.meter import Meter
from pillarbox.policy.greylist import GreylistPolicy, Seen, judge_triplet
from pillarbox.policy.rate import Rate, parse_rate

RATES = st.builds(Rate, st.integers(1, 50), st.sampled_from([1.0, 10.0, 60.0, 3600.0]))
STEPS = st.lists(st.floats(0.0, 30.0), max_size=80)


@given(rate=RATES, steps=STEPS)
def test_no_span_has_more_than_the_amount_and_what_flowed_in(
    rate: Rate, steps: list[float]
) -> None:
    """Between any two moments at most the amount, and the rate times the time, gets through."""
    meter, now, passed = Meter("m", rate), 0.0, []
    for step in steps:
        now += step
        if meter.wait("a", now) == 0.0:
            meter.charge("a", now)
            passed.append(now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            span = passed[last] - begin
            assert last - first + 1 <= rate.amount + span * rate.amount / rate.period + 1e-3


@given(rate=RATES, steps=STEPS)
def test_who_waits_as_told_gets_in(rate: Rate, steps: list[float]) -> None:
    """The time that a refusal names is enough, and no more than is needed."""
    meter, now = Meter("m", rate), 0.0
    for step in steps:
        now += step
        wait = meter.wait("a", now)
        assert meter.wait("a", now + wait) == 0.0
        if wait > 0.01:
            assert meter.wait("a", now + wait - 0.01) > 0.0
        now += wait
        meter.charge("a", now)


@given(st.text(max_size=20))
def test_any_text_is_a_rate_or_none(text: str) -> None:
    """Reading a rate never raises."""
    rate = parse_rate(text)
    assert rate is None or rate.amount > 0


@given(
    first=st.floats(0.0, 1e9),
    waits=st.lists(st.floats(0.0, 10_000.0), min_size=1, max_size=10),
)
def test_greylisting_lets_through_who_comes_in_time(first: float, waits: list[float]) -> None:
    """Once the delay is over a triplet passes, and before it never does; none waits longer."""
    policy = GreylistPolicy(delay=300.0, window=3600.0, lifetime=86400.0, believe_after=0)
    seen: Seen | None = None
    now = first
    for wait in waits:
        now += wait
        judged = judge_triplet(seen, policy, now)
        assert 0.0 <= judged.wait <= policy.delay
        assert judged.expires_at > now
        if seen is not None and not seen.has_passed and now - seen.first_at < policy.window:
            assert (judged.wait == 0.0) == (now >= seen.first_at + policy.delay)
        seen = judged.seen
