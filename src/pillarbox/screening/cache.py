"""Networks exempt from checks, and a bounded cache of answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from pillarbox.policy.networks import TrustedNetworks, parse_network
from pillarbox.receive.bounded import BoundedTable
from pillarbox.receive.checks import Visit

__all__ = ["Recent", "is_left_alone", "networks"]

_T = TypeVar("_T")


def networks(texts: Iterable[str]) -> TrustedNetworks:
    """Return the networks of a setting; invalid ones were reported when it was validated."""
    parsed = map(parse_network, texts)
    return TrustedNetworks(each for each in parsed if each is not None)


def is_left_alone(visit: Visit, exempt: TrustedNetworks) -> bool:
    """Return whether a client skips the checks: it has logged in, is trusted, or is exempt."""
    return bool(visit.identity) or visit.is_trusted or visit.client in exempt


class Recent(Generic[_T]):
    """Values that expire, by key; the oldest are dropped first."""

    __slots__ = ("_values",)

    def __init__(self, size: int) -> None:
        """Hold at most ``size`` values."""
        self._values: BoundedTable[str, tuple[_T, float]] = BoundedTable(size)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str, now: float) -> _T | None:
        """Return a value that has not expired."""
        found = self._values.get(key)
        return found[0] if found is not None and now < found[1] else None

    def put(self, key: str, value: _T, ends_at: float) -> None:
        """Store a value."""
        self._values.put(key, (value, ends_at))
