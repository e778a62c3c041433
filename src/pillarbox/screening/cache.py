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
    """Return the networks of a setting; what is none was reported when it was checked."""
    parsed = map(parse_network, texts)
    return TrustedNetworks(each for each in parsed if each is not None)


def is_left_alone(visit: Visit, exempt: TrustedNetworks) -> bool:
    """Return whether a client is no stranger: it has logged in, is trusted, or is exempt."""
    return bool(visit.identity) or visit.is_trusted or visit.client in exempt


class Recent(Generic[_T]):
    """Values with an end, by key; those that came first are forgotten first."""

    __slots__ = ("_values",)

    def __init__(self, size: int) -> None:
        """Remember ``size`` values."""
        self._values: BoundedTable[str, tuple[_T, float]] = BoundedTable(size)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str, now: float) -> _T | None:
        """Return a value that has not ended."""
        found = self._values.get(key)
        return found[0] if found is not None and now < found[1] else None

    def put(self, key: str, value: _T, ends_at: float) -> None:
        """Remember a value."""
        self._values.put(key, (value, ends_at))
