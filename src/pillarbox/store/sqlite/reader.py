"""The reading connection: what is due, what there is, and what happened to it.

Everything here runs in the reader's thread, each call on one snapshot of the file, so
that reading never waits for a commit, nor a commit for reading.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeVar

import apsw

from pillarbox.policy.queue import FINAL_STATES, QueueKey, RecipientState
from pillarbox.smtp.address import ascii_domain
from pillarbox.store.ages import AgeTally, age_bounds
from pillarbox.store.ids import show_id
from pillarbox.store.journal import payloads_of
from pillarbox.store.port import BodyDamaged, KeptMessage, MessageId, QueueCount, Selection, Work
from pillarbox.store.recipients import SelectedAddress, matches
from pillarbox.store.rotation import fair_share
from pillarbox.store.rows import read_message
from pillarbox.store.sqlite.failures import FailureGuard
from pillarbox.store.statements import statements
from pillarbox.store.work import Key, by_queue, join_work

__all__ = ["Reader", "find_idle_queues"]

_T = TypeVar("_T")

SQL: Final = statements("pillarbox.store.sqlite", "read.sql")

_MOST_QUEUES: Final = 100_000  # whose keys are remembered

Due = dict[QueueKey, list[Key]]


class Reader:
    """Reads the file."""

    def __init__(self, connection: apsw.Connection) -> None:
        """Read with ``connection``."""
        self._connection = connection
        self._execute: Callable[..., Any] = connection.execute  # rows are of the schema's types
        self._queues: dict[int, QueueKey] = {}

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        # A read that failed says nothing about the next one: each has a guard of its own.
        with FailureGuard().watch(self._connection):
            self._execute("BEGIN")
            yield
            self._execute("COMMIT")

    def in_snapshot(self, function: Callable[[Callable[..., Any]], _T]) -> _T:
        """Call a function with the connection's ``execute`` on one state of the file."""
        with self._snapshot():
            return function(self._execute)

    # --- delivering -----------------------------------------------------------------

    def load(
        self,
        now: float,
        limit: int,
        per_queue: int,
        exclude: frozenset[Key],
        after: QueueKey | None,
    ) -> tuple[Work, ...]:
        """Read back what is due, a fair share of each queue."""
        with self._snapshot():
            few = self._due_by_time(now, 4 * limit + len(exclude), per_queue, exclude)
            due = self._due_by_queue(now, limit, per_queue, exclude, after) if few is None else few
            shares = fair_share({key: len(found) for key, found in due.items()}, limit, after)
            return self._work([(share.key, due[share.key][: share.share]) for share in shares])

    def _due_by_time(
        self, now: float, most: int, per_queue: int, exclude: frozenset[Key]
    ) -> Due | None:
        """Return all that is due, or None where it is more than ``most``."""
        rows = self._execute(SQL["due"], (now, most + 1)).fetchall()
        if len(rows) > most:
            return None
        numbered: dict[int, list[Key]] = {}
        for queue, message, position in rows:
            if (message, position) not in exclude:
                numbered.setdefault(queue, []).append((message, position))
        self._learn_queues(numbered)
        return {self._queues[queue]: found[:per_queue] for queue, found in numbered.items()}

    def _due_by_queue(
        self,
        now: float,
        limit: int,
        per_queue: int,
        exclude: frozenset[Key],
        after: QueueKey | None,
    ) -> Due:
        """Go from queue to queue, in each lane until it has given enough for a whole load."""
        start = ("", "", "") if after is None else (after.destination, after.route, after.source)
        due: Due = {}
        for (lane,) in self._execute(SQL["lanes"]).fetchall():
            found = 0
            for number, key in self._due_queues(lane, start, now):
                due[key] = keys = self._due_in_queue(number, now, per_queue, exclude)
                found += len(keys)
                if found >= limit:
                    break
        return {key: keys for key, keys in due.items() if keys}

    def _due_queues(
        self, lane: str, start: tuple[str, str, str], now: float
    ) -> Iterator[tuple[int, QueueKey]]:
        for name in ("due_queues_after", "due_queues_until"):
            # Not `self._execute`: each has to have a cursor that goes on while others run.
            cursor: Any = self._connection.cursor()
            for number, *key in cursor.execute(SQL[name], (lane, *start, now)):
                yield number, QueueKey(lane, *key)

    def _due_in_queue(
        self, number: int, now: float, per_queue: int, exclude: frozenset[Key]
    ) -> list[Key]:
        keys: list[Key] = []
        cursor: Any = self._connection.cursor()
        for key in cursor.execute(SQL["due_in_queue"], (number, now)):
            if key not in exclude:
                keys.append(key)
                if len(keys) == per_queue:
                    break
        return keys

    def next_due_at(self, after: float) -> float | None:
        """Return the earliest time later than ``after`` at which something is due."""
        with self._snapshot():
            (at,) = self._execute(SQL["next_due_at"], (after,)).fetchone()
            return None if at is None else float(at)

    def work(self, keys: Iterable[Key]) -> tuple[Work, ...]:
        """Return the work that certain recipients are."""
        with self._snapshot():
            messages = self._messages(sorted({message for message, _ in keys}))
            return join_work(messages, by_queue(messages, keys).items())

    def _work(self, chosen: Sequence[tuple[QueueKey, list[Key]]]) -> tuple[Work, ...]:
        ids = sorted({message for _, keys in chosen for message, _ in keys})
        return join_work(self._messages(ids), chosen)

    # --- seeing -----------------------------------------------------------------------

    def messages(self, ids: Sequence[MessageId]) -> tuple[KeptMessage, ...]:
        """Return messages by their ids, in order; those that there are."""
        with self._snapshot():
            return tuple(self._messages(ids).values())

    def find(
        self, selection: Selection, limit: int, after: MessageId | None
    ) -> tuple[KeptMessage, ...]:
        """Return messages with at least one matching recipient, in the order of their ids."""
        with self._snapshot():
            if selection.messages is not None:
                ids = sorted(i for i in selection.messages if after is None or i > after)
                candidates = self._messages(ids).values()
                matching = (
                    m for m in candidates if any(matches(selection, m, r) for r in m.recipients)
                )
                return tuple(matching)[:limit]
            found = self._execute(SQL["find"], _conditions(selection, limit, after)).fetchall()
            return tuple(self._messages([message for (message,) in found]).values())

    def _messages(self, ids: Sequence[MessageId]) -> dict[MessageId, KeptMessage]:
        if not ids:
            return {}
        numbers = apsw.carray(array("q", ids))
        rows = self._execute(SQL["messages"], (numbers,)).fetchall()
        recipients = self._execute(SQL["recipients"], (numbers,)).fetchall()
        self._learn_queues({recipient[2] for recipient in recipients})
        by_message = {
            message: list(group) for message, group in groupby(recipients, key=itemgetter(0))
        }
        return {
            row[0]: read_message(row, by_message.get(row[0], ()), self._queues.__getitem__)
            for row in rows
        }

    def _learn_queues(self, numbers: Iterable[int]) -> None:
        if len(self._queues) > _MOST_QUEUES:
            self._queues.clear()
        unknown = sorted(set(numbers) - self._queues.keys())
        if unknown:
            rows = self._execute(SQL["queues"], (apsw.carray(array("q", unknown)),))
            self._queues.update((number, QueueKey(*key)) for number, *key in rows)

    def count(self, now: float) -> tuple[QueueCount, ...]:
        """Return how many recipients of each destination are in which state, by age."""
        tally = AgeTally(now)
        with self._snapshot():
            queued = self._execute(SQL["count_queued"], age_bounds(now)).fetchall()
            unsettled = self._execute(SQL["count_unsettled"]).fetchall()
        for destination, total, *younger, oldest in queued:
            tally.add_many(destination, RecipientState.QUEUED, total, younger, oldest)
        for destination, state, message, is_due in unsettled:
            tally.add_one(destination, RecipientState(state), message, is_due=bool(is_due))
        return tally.result()

    def history(self, message: MessageId) -> tuple[bytes, ...]:
        """Return a message's journal entries in the order they were recorded."""
        with self._snapshot():
            parts = [
                part
                for (day,) in self._execute(SQL["journal_days"]).fetchall()
                for (part,) in self._execute(SQL["journal"], (day, message)).fetchall()
            ]
        return tuple(payload for part in parts for payload in payloads_of(message, part))

    # --- bodies -----------------------------------------------------------------------

    def body(self, message: MessageId) -> tuple[int, int, bytes | None] | None:
        """Return a body's size, its checksum, and its octets where it is small."""
        with self._snapshot():
            found: tuple[int, int, bytes | None] | None
            found = self._octets("body", (message,))
            return found

    def chunk(self, message: MessageId, number: int) -> bytes | None:
        """Return one chunk of a large body, or None behind the last."""
        with self._snapshot():
            row = self._octets("chunk", (message, number))
            return None if row is None else row[0]

    def _octets(self, name: str, key: tuple[int, ...]) -> Any:
        """Read a row with octets in it; a bad page is damage to this message alone."""
        try:
            return self._execute(SQL[name], key).fetchone()
        except apsw.CorruptError as error:
            raise BodyDamaged(f"body of {show_id(MessageId(key[0]))}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def find_idle_queues(connection: apsw.Connection) -> list[int]:
    """Return the numbers of queues that no recipient refers to, some thousand at most."""
    execute: Callable[..., Any] = connection.execute
    return [number for (number,) in execute(SQL["idle_queues"]).fetchall()]


def _conditions(selection: Selection, limit: int, after: MessageId | None) -> dict[str, object]:
    sender = SelectedAddress.parse(selection.sender)
    recipient = SelectedAddress.parse(selection.recipient)
    domain = selection.recipient_domain
    states = frozenset(RecipientState) - FINAL_STATES
    if selection.states is not None:
        states = selection.states
    return {
        "after": -1 if after is None else after,
        "sender_local": sender.local_part,
        "sender_domain": sender.domain,
        "from_null": selection.sender == "",
        "before": selection.accepted_before,
        "since": selection.accepted_after,
        "header": selection.message_id_header,
        "states": sum(1 << state for state in states),
        "local_part": recipient.local_part,
        "destination": recipient.destination,
        "domain": None if domain is None else ascii_domain(domain),
        "limit": limit,
    }
