"""Fair loading: which queues a load reads, and how much of each.

Lanes share a load evenly, whatever their size, so that no bulk sender delays another's single mail.
Within a lane the queues follow each other in order, starting after the one where the last load
stopped, and wrapping around.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.policy.queue import QueueKey

__all__ = ["Share", "fair_share", "lane_limits"]


@dataclass(frozen=True, slots=True)
class Share:
    """How many recipients of a queue are read."""

    key: QueueKey
    share: int


def order(key: QueueKey) -> tuple[str, str, str]:
    """Return what queues of one lane are sorted by."""
    return key.destination, key.route, key.source


def lane_limits(wanted: Mapping[str, int], limit: int) -> dict[str, int]:
    """Divide a load among lanes: equal parts, and what one cannot use goes to the rest."""
    limits: dict[str, int] = {}
    left = limit
    for waiting, lane in enumerate(sorted(wanted, key=lambda lane: (wanted[lane], lane))):
        limits[lane] = min(wanted[lane], -(-left // (len(wanted) - waiting)))
        left -= limits[lane]
    return limits


def fair_share(due: Mapping[QueueKey, int], limit: int, after: QueueKey | None) -> list[Share]:
    """Choose what to read.

    Args:
        due: How many recipients each queue could give, its own limit applied already.
        limit: How many are read in all.
        after: Where the last load stopped; every lane goes on behind the same destination.
    """
    lanes: dict[str, list[QueueKey]] = {}
    for key in sorted(due, key=order):
        lanes.setdefault(key.lane, []).append(key)
    # A lane counts for a whole load at the most: an adapter may look no further than that.
    wanted = {lane: min(sum(due[key] for key in keys), limit) for lane, keys in lanes.items()}
    limits = lane_limits(wanted, limit)
    shares: list[Share] = []
    for lane in sorted(lanes):
        keys, left = lanes[lane], limits[lane]
        turn = 0 if after is None else bisect_right(keys, order(after), key=order)
        for key in keys[turn:] + keys[:turn]:
            if left <= 0:
                break
            shares.append(Share(key, min(left, due[key])))
            left -= due[key]
    return shares
