"""Greylisting: unknown clients are asked to come back, as every real mail server does (RFC 6647).

Remembered of a triplet (the client's network, the sender, the recipient) are when it was first seen
and whether it came back in time. A network that came back often enough is trusted from then on,
whatever it sends.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GreylistPolicy", "Greylisted", "Seen", "judge_triplet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GreylistPolicy:
    """How strict greylisting is; all values in seconds except ``believe_after``."""

    delay: float  # until a triplet may come again
    window: float  # in which it has to
    lifetime: float  # for which one that came again is believed
    believe_after: int  # triplets of a network that came again; 0: it is never believed


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered about a triplet."""

    first_at: float  # wall clock
    has_passed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Greylisted:
    """The decision, and what to remember."""

    wait: float  # seconds until it may come again; 0: it may pass
    is_return: bool  # it has come again for the first time
    seen: Seen
    expires_at: float  # wall clock


def judge_triplet(seen: Seen | None, policy: GreylistPolicy, now: float) -> Greylisted:
    """Decide about a triplet.

    Args:
        seen: What is remembered; None: nothing.
        policy: How strict greylisting is.
        now: The wall clock.
    """
    if seen is None or (not seen.has_passed and now >= seen.first_at + policy.window):
        seen = Seen(now)
    is_return = not seen.has_passed and now >= seen.first_at + policy.delay
    if seen.has_passed or is_return:
        return Greylisted(
            wait=0.0,
            is_return=is_return,
            seen=Seen(seen.first_at, has_passed=True),
            expires_at=now + policy.lifetime,
        )
    return Greylisted(
        wait=min(seen.first_at + policy.delay - now, policy.delay),  # not more by rounding
        is_return=False,
        seen=seen,
        expires_at=seen.first_at + policy.window,
    )
