"""Reads from the database: what is due, what there is, and what happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from pillarbox.policy.queue import FINAL_STATES, QueueKey, RecipientState
from pillarbox.smtp.address import ascii_domain
from pillarbox.store.ages import AgeTally, age_bounds
from pillarbox.store.journal import payloads_of
from pillarbox.store.port import KeptMessage, MessageId, QueueCount, Selection, Work
from pillarbox.store.postgres.link import Connection, Link
from pillarbox.store.postgres.queries import SQL
from pillarbox.store.recipients import SelectedAddress, matches
from pillarbox.store.rotation import fair_share
from pillarbox.store.rows import read_message
from pillarbox.store.work import Key, by_queue, join_work

__all__ = ["Reader"]

_MOST_QUEUES: Final = 100_000  # whose keys are remembered


class Reader:
    """Reads for one node."""

    def __init__(self, link: Link, node: str) -> None:
        """Read through ``link`` what belongs to ``node``."""
        self._link = link
        self._node = node
        self._queues: dict[int, QueueKey] = {}

    # --- delivering -----------------------------------------------------------------

    async def load(
        self,
        now: float,
        limit: int,
        per_queue: int,
        exclude: frozenset[Key],
        after: QueueKey | None,
    ) -> tuple[Work, ...]:
        """Read back what is due, a fair share of each queue."""
        start = ("", "", "") if after is None else (after.destination, after.route, after.source)
        held = list(zip(*exclude, strict=True)) or [(), ()]
        due: dict[QueueKey, list[Key]] = {}
        async with self._link.use() as connection:
            for (lane,) in await connection.fetch(SQL["lanes"], self._node):
                left = limit
                for name in ("due_after", "due_until"):
                    rows = await connection.fetch(
                        SQL[name], self._node, lane, *start, now, *held, per_queue, left
                    )
                    await self._learn_queues(connection, {row[0] for row in rows})
                    for number, message, position in rows:
                        due.setdefault(self._queues[number], []).append((message, position))
                    left -= len(rows)
                    if left <= 0:
                        break
            # A key may stand for two queues, of which one was adopted.
            sizes = {key: min(len(keys), per_queue) for key, keys in due.items()}
            chosen = [(s.key, due[s.key][: s.share]) for s in fair_share(sizes, limit, after)]
            ids = {message for _, keys in chosen for message, _ in keys}
            return join_work(await self._messages(connection, ids), chosen)

    async def idle_queues(self) -> list[int]:
        """Return the numbers of queues that no recipient refers to, some thousand at most."""
        async with self._link.use() as connection:
            rows = await connection.fetch(SQL["idle_queues"], self._node)
        return [row[0] for row in rows]

    async def next_due_at(self, after: float) -> float | None:
        """Return the earliest time later than ``after`` at which something is due."""
        async with self._link.use() as connection:
            at: float | None = await connection.fetchval(SQL["next_due_at"], self._node, after)
            return at

    async def work(self, keys: Sequence[Key]) -> tuple[Work, ...]:
        """Return the work that certain recipients are."""
        async with self._link.use() as connection:
            messages = await self._messages(connection, {message for message, _ in keys})
            return join_work(messages, by_queue(messages, keys).items())

    # --- seeing -----------------------------------------------------------------------

    async def messages(self, ids: Iterable[MessageId]) -> tuple[KeptMessage, ...]:
        """Return messages by their ids, in order; those that there are."""
        async with self._link.use() as connection:
            return tuple((await self._messages(connection, set(ids))).values())

    async def find(
        self, selection: Selection, limit: int, after: MessageId | None
    ) -> tuple[KeptMessage, ...]:
        """Return messages with at least one matching recipient, in the order of their ids."""
        async with self._link.use() as connection:
            if selection.messages is not None:
                ids = {i for i in selection.messages if after is None or i > after}
                found = (await self._messages(connection, ids)).values()
                matching = (m for m in found if any(matches(selection, m, r) for r in m.recipients))
                return tuple(matching)[:limit]
            rows = await connection.fetch(SQL["find"], *_conditions(selection, limit, after))
            return tuple((await self._messages(connection, {row[0] for row in rows})).values())

    async def _messages(
        self, connection: Connection, ids: set[MessageId]
    ) -> dict[MessageId, KeptMessage]:
        if not ids:
            return {}
        rows = await connection.fetch(SQL["messages"], list(ids))
        recipients = await connection.fetch(SQL["recipients"], list(ids))
        await self._learn_queues(connection, {recipient[2] for recipient in recipients})
        by_message = {
            message: [tuple(row) for row in group]
            for message, group in groupby(recipients, key=itemgetter(0))
        }
        return {
            row[0]: read_message(row, by_message.get(row[0], ()), self._queues.__getitem__)
            for row in rows
        }

    async def _learn_queues(self, connection: Connection, numbers: set[int]) -> None:
        if len(self._queues) > _MOST_QUEUES:
            self._queues.clear()
        unknown = numbers - self._queues.keys()
        if unknown:
            for number, *key in await connection.fetch(SQL["queues"], list(unknown)):
                self._queues[number] = QueueKey(*key)

    async def count(self, now: float) -> tuple[QueueCount, ...]:
        """Return how many recipients of each destination are in which state, by age."""
        async with self._link.use() as connection:
            rows = await connection.fetch(SQL["count"], self._node, list(age_bounds(now)))
        tally = AgeTally(now)
        for destination, state, total, *younger, oldest in rows:
            tally.add_many(destination, RecipientState(state), total, younger, oldest)
        return tally.result()

    async def history(self, message: MessageId) -> tuple[bytes, ...]:
        """Return a message's journal entries in the order they were recorded."""
        async with self._link.use() as connection:
            rows = await connection.fetch(SQL["history"], message)
        return tuple(payload for (part,) in rows for payload in payloads_of(message, part))

    # --- bodies -----------------------------------------------------------------------

    async def body(self, message: MessageId) -> tuple[int, int, bytes | None] | None:
        """Return a body's size, its checksum, and its octets where it is small."""
        async with self._link.use() as connection:
            row = await connection.fetchrow(SQL["body"], message)
            return None if row is None else (row[0], row[1], row[2])

    async def chunk(self, message: MessageId, number: int) -> bytes | None:
        """Return one chunk of a large body, or None behind the last."""
        async with self._link.use() as connection:
            chunk: bytes | None = await connection.fetchval(SQL["chunk"], message, number)
            return chunk


def _conditions(selection: Selection, limit: int, after: MessageId | None) -> tuple[object, ...]:
    sender = SelectedAddress.parse(selection.sender)
    recipient = SelectedAddress.parse(selection.recipient)
    domain = selection.recipient_domain
    states = frozenset(RecipientState) - FINAL_STATES
    if selection.states is not None:
        states = selection.states
    return (
        -1 if after is None else after,
        sender.local_part,
        sender.domain,
        selection.sender == "",
        selection.accepted_before,
        selection.accepted_after,
        selection.message_id_header,
        [state.value for state in states],
        recipient.local_part,
        recipient.destination,
        None if domain is None else ascii_domain(domain),
        limit,
    )
