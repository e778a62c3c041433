"""One configured rate, with a bucket for each of its subjects.

Memory is bounded: the least recently active subjects are dropped first, and start over with a full
allowance. Use since the last synchronization is counted beside each bucket, to be added to the
total of all nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pillarbox.policy.rate import Rate
from pillarbox.receive.bounded import BoundedTable

__all__ = ["Meter", "Used"]

_SUBJECTS: Final = 100_000
_CHANGED: Final = 100_000  # subjects that wait for synchronization


@dataclass(frozen=True, slots=True)
class Used:
    """What one subject has used since the last synchronization."""

    subject: str
    amount: int
    is_new: bool  # the counts of other nodes are not known yet


class _Bucket:
    __slots__ = ("at", "is_new", "joint", "level", "unsent", "window")

    def __init__(self, now: float, window: int) -> None:
        self.level = 0.0
        self.at = now
        self.unsent = 0  # used here, but not synchronized yet
        self.joint = 0  # known use by all nodes in the window
        self.window = window
        self.is_new = True


class Meter:
    """Measures the use of a rate."""

    __slots__ = ("_buckets", "_changed", "name", "rate")

    def __init__(self, name: str, rate: Rate, *, size: int = _SUBJECTS) -> None:
        """Measure ``rate``, which is stored as ``name``."""
        self.name: Final = name
        self.rate: Final = rate
        self._buckets: BoundedTable[str, _Bucket] = BoundedTable(size)
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, subject: str, now: float) -> float:
        """Return the seconds until a subject may use one more; 0: it may now."""
        bucket = self._buckets.get(subject)
        if bucket is None:
            return 0.0
        rate = self.rate
        return rate.wait(rate.level(bucket.level, now - bucket.at))

    def charge(self, subject: str, now: float) -> None:
        """Count one use."""
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._new(now)
        self._buckets.put(subject, bucket)  # the most recent
        if now > bucket.at:
            bucket.level = self.rate.level(bucket.level, now - bucket.at)
            bucket.at = now
        bucket.level += 1.0
        bucket.unsent += 1
        if len(self._changed) < _CHANGED:
            self._changed[subject] = None

    def take_used(self, now: float, most: int) -> Iterator[Used]:
        """Yield the use since the last synchronization, for at most ``most`` subjects."""
        window = self.rate.window(now)
        changed = list(self._changed)
        self._changed.clear()
        self._changed.update(dict.fromkeys(changed[most:]))
        for subject in changed[:most]:
            bucket = self._buckets.get(subject)
            if bucket is None:  # forgotten meanwhile
                continue
            if bucket.window != window:
                bucket.window, bucket.joint = window, 0
            yield Used(subject, bucket.unsent, bucket.is_new)

    def told(self, used: Used, joint: int) -> None:
        """Note that the use was added, and take over the new total of all nodes.

        Use by other nodes in the meantime counts here, too.
        """
        bucket = self._buckets.get(used.subject)
        if bucket is None:
            return
        bucket.unsent -= used.amount
        others = joint - bucket.joint - used.amount
        bucket.joint = joint
        if not bucket.is_new:
            bucket.level += max(others, 0)
        bucket.is_new = False

    def untold(self, used: Used) -> None:
        """Note that the use could not be added; it is added the next time."""
        self._changed[used.subject] = None

    def learn(self, subject: str, before: int, current: int, now: float) -> None:
        """Take over the counts of the previous and the current window."""
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._new(now)
            self._buckets.put(subject, bucket)
        bucket.level = self.rate.level(bucket.level, now - bucket.at)
        bucket.at = max(bucket.at, now)
        bucket.level = max(bucket.level, self.rate.estimate(before, current, now) + bucket.unsent)
        bucket.window, bucket.joint = self.rate.window(now), current
        bucket.is_new = False

    def take_over(self, others: Iterable[Meter]) -> None:
        """Continue with the counts of the meter with the same name and rate."""
        for other in others:
            if other.name == self.name and other.rate == self.rate:
                self._buckets, self._changed = other._buckets, other._changed  # noqa: SLF001

    def _new(self, now: float) -> _Bucket:
        return _Bucket(now, self.rate.window(now))
