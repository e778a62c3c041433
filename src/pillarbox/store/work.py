"""Groups messages and the recipients that are to be tried together as work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pillarbox.policy.queue import QueueKey
from pillarbox.store.port import KeptMessage, MessageId, Work

__all__ = ["Key", "by_queue", "join_work"]

Key = tuple[MessageId, int]
"""A recipient: its message, and its place in the envelope."""


def by_queue(
    messages: Mapping[MessageId, KeptMessage], keys: Iterable[Key]
) -> dict[QueueKey, list[Key]]:
    """Sort recipients by the queue they stand in; what there is no more is left out."""
    queued: dict[QueueKey, list[Key]] = {}
    for message, position in keys:
        if message in messages:
            queue = messages[message].recipients[position].queue
            queued.setdefault(queue, []).append((message, position))
    return queued


def join_work(
    messages: Mapping[MessageId, KeptMessage], chosen: Iterable[tuple[QueueKey, Sequence[Key]]]
) -> tuple[Work, ...]:
    """Return the work that chosen recipients are: one piece a message and queue."""
    work: list[Work] = []
    for queue, keys in chosen:
        positions: dict[MessageId, list[int]] = {}
        for message, position in keys:
            positions.setdefault(message, []).append(position)
        for message, members in positions.items():
            kept = messages[message]
            work.append(Work(kept, queue, tuple(kept.recipients[i] for i in members)))
    return tuple(work)
