"""The store in memory: it keeps every promise of the port except the one about power cuts.

It fails like the others: ``StoreFull`` when the capacity of its disk is used up, ``Fenced`` when
another store was opened on the disk as the same node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace

from pillarbox.errors import PermanentError
from pillarbox.findings import Finding
from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.store.ages import AGE_LIMITS, age_bucket
from pillarbox.store.bodies import checked
from pillarbox.store.ids import first_id_at, id_time, show_id
from pillarbox.store.memory.credentials import MemoryCredentials
from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.memory.notes import MemoryNotes
from pillarbox.store.port import (
    Batch,
    BodyDamaged,
    Change,
    Changed,
    Fenced,
    KeptMessage,
    KeptRecipient,
    MessageId,
    QueueCount,
    Selection,
    StoreFull,
    StoreUnavailable,
    Way,
    Work,
)
from pillarbox.store.recipients import (
    change_recipient,
    changed,
    is_done,
    matches,
    settle,
    start,
)
from pillarbox.store.rotation import fair_share
from pillarbox.store.verification import body_damaged

__all__ = ["MemoryStore"]

_DAY = 86400.0
_Step = Callable[[KeptRecipient], KeptRecipient]


class MemoryStore:
    """Stores mail in dictionaries."""

    def __init__(self, node: str, now: Callable[[], float], disk: MemoryDisk | None = None) -> None:
        """Keep the mail of ``node`` on ``disk``; ``now`` is the wall clock (seconds)."""
        self._node = node
        self._now = now
        self._disk = MemoryDisk() if disk is None else disk
        self.credentials = MemoryCredentials(self._disk, self._check)
        self.notes = MemoryNotes(self._disk, self._check)
        self._epoch = 0
        self._is_open = False
        self._suspects: dict[MessageId, list[int]] = {}
        # What may become due, by queue: so that loading does not look at finished mail.
        self._waiting: dict[QueueKey, dict[tuple[MessageId, int], None]] = defaultdict(dict)

    @property
    def has_failed(self) -> bool:
        """Whether the store accepts no more writes until it is reopened: never here."""
        return False

    # --- life ---------------------------------------------------------------------

    async def open(self) -> None:
        """Open in a new epoch; what was in flight after an unclean stop is queued again."""
        disk = self._disk
        self._epoch = disk.epochs[self._node] = disk.epochs.get(self._node, 0) + 1
        self._is_open = True
        now = self._now()
        self._suspects.clear()
        self._waiting.clear()
        disk.chunks.clear()
        for message in list(disk.messages.values()):
            indexes = [
                recipient.index
                for recipient in message.recipients
                if recipient.state is RecipientState.IN_FLIGHT
            ]
            if indexes:
                self._replace(message.id, indexes, lambda old: _requeue(old, now))
                if not disk.is_clean:
                    self._suspects[message.id] = indexes
            self._index(disk.messages[message.id])
        disk.is_clean = False

    async def close(self, *, keep_suspects: bool = False) -> None:
        """Close cleanly."""
        if self._is_open and self._is_owner():
            suspects = self._suspects if keep_suspects else {}
            for message, indexes in suspects.items():
                self._replace(message, indexes, _fly)
            self._disk.is_clean = not suspects
        self._is_open = False

    async def heartbeat(self, *, now: float) -> None:
        """Report that the node is alive; nobody listens."""
        del now
        self._check()

    async def adopt(self, *, now: float, dead_after: float) -> tuple[str, ...]:
        """Adopt the mail of dead nodes: there are none in one process's memory."""
        del now, dead_after
        self._check()
        return ()

    async def free_octets(self) -> int | None:
        """Return what the disk's capacity leaves, or None without one."""
        capacity = self._disk.capacity
        return None if capacity is None else max(capacity - self._disk.used(), 0)

    # --- writing ------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Write a batch, all or nothing."""
        self._check()
        self._check_batch(batch)
        for message in batch.keep:
            self._keep(message)
        for mark in batch.start:
            self._replace(mark.message, mark.indexes, start)
        finished: set[MessageId] = set()
        for result in batch.settle:
            self._replace(result.message, (result.index,), partial(settle, result=result))
            finished.add(result.message)
        self._finish(finished)
        self._disk.journal.extend(batch.record)

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large body."""
        self._check()
        self._check_room(len(chunk))
        self._disk.chunks.setdefault(message, {})[number] = chunk

    async def discard_chunks(self, message: MessageId) -> None:
        """Discard the chunks of a message that will not be committed."""
        self._check()
        self._disk.chunks.pop(message, None)

    # --- delivering ---------------------------------------------------------------

    async def load(
        self,
        *,
        now: float,
        limit: int,
        per_queue: int,
        exclude: frozenset[tuple[MessageId, int]],
        after: QueueKey | None = None,
    ) -> tuple[Work, ...]:
        """Read back what is due, a fair share of each queue."""
        self._check()
        due: dict[QueueKey, list[tuple[MessageId, int]]] = {}
        for queue, keys in self._waiting.items():
            found = sorted(
                (at, *key)
                for key in keys
                if key not in exclude and (at := self._due_at(*key)) is not None and at <= now
            )
            if found:
                due[queue] = [(message, index) for _, message, index in found[:per_queue]]
        work: list[Work] = []
        for share in fair_share({queue: len(keys) for queue, keys in due.items()}, limit, after):
            work.extend(self._work(share.key, due[share.key][: share.share]))
        return tuple(work)

    async def next_due_at(self, *, after: float) -> float | None:
        """Return the earliest ``next_attempt_at`` later than ``after``, or None."""
        self._check()
        times = (self._due_at(*key) for keys in self._waiting.values() for key in keys)
        return min((at for at in times if at is not None and at > after), default=None)

    async def bring_near(self, *, now: float, latest: float) -> int:
        """Make retries that are due later due at ``latest``; return how much."""
        self._check()
        future = first_id_at(now)
        late = [
            key
            for keys in self._waiting.values()
            for key in keys
            if (at := self._due_at(*key)) is not None
            and at > latest
            and (self._recipient(*key).attempts or key[0] > future)
        ]
        for message, index in late:
            self._replace(message, (index,), partial(_due, at=latest))
        return len(late)

    async def suspects(self) -> tuple[Work, ...]:
        """Return what was in flight when the process last died."""
        self._check()
        work: list[Work] = []
        for message, indexes in self._suspects.items():
            by_queue = attrgetter("queue.lane", "queue.destination", "queue.route", "queue.source")
            recipients = sorted((self._recipient(message, i) for i in indexes), key=by_queue)
            for _, group in groupby(recipients, key=by_queue):
                members = list(group)
                work.extend(self._work(members[0].queue, [(message, r.index) for r in members]))
        return tuple(work)

    async def count_crash(self, message: MessageId, indexes: Sequence[int]) -> int:
        """Add one to the crash count of a suspect; return the highest new count."""
        self._check()
        self._replace(message, indexes, lambda old: replace(old, crashes=old.crashes + 1))
        return max(self._recipient(message, index).crashes for index in indexes)

    async def body(self, message: MessageId) -> AsyncIterator[bytes]:
        """Read a message's content in chunks of at most 64 KiB."""
        self._check()
        kept = self._disk.messages.get(message)
        body = self._disk.bodies.get(message)
        if kept is None or body is None:
            raise BodyDamaged(f"body of {show_id(message)}: there is none")
        async for chunk in checked(message, _each(body), size=kept.size, checksum=kept.checksum):
            yield chunk

    # --- seeing and steering ------------------------------------------------------

    async def message(self, message: MessageId) -> KeptMessage | None:
        """Return one message with all its recipients, without its content."""
        self._check()
        return self._disk.messages.get(message)

    async def find(
        self, selection: Selection, *, limit: int, after: MessageId | None = None
    ) -> tuple[KeptMessage, ...]:
        """Return messages with at least one matching recipient, in the order of their ids."""
        self._check()
        found: list[KeptMessage] = []
        for _, message in sorted(self._disk.messages.items()):
            if len(found) == limit:
                break
            if (after is None or message.id > after) and any(
                matches(selection, message, recipient) for recipient in message.recipients
            ):
                found.append(message)
        return tuple(found)

    async def change(
        self, selection: Selection, change: Change, *, now: float, way: Way | None = None
    ) -> tuple[Changed, ...]:
        """Apply a change to all matching recipients that are not in flight and not final."""
        self._check()
        reached: list[Changed] = []
        for _, message in sorted(self._disk.messages.items()):
            for old in message.recipients:
                if not matches(selection, message, old):
                    continue
                new = change_recipient(old, change, now, way)
                if new is not None:
                    self._waiting[old.queue].pop((message.id, old.index), None)
                    self._replace(message.id, (old.index,), partial(_becomes, new=new))
                    reached.append(changed(message.id, old, new))
        self._finish({item.message for item in reached})
        return tuple(reached)

    async def count(self, *, now: float) -> tuple[QueueCount, ...]:
        """Return the numbers behind ``pillarbox queue summary``."""
        self._check()
        ages: dict[tuple[str, RecipientState], list[int]] = {}
        oldest: dict[tuple[str, RecipientState], float] = {}
        for message in self._disk.messages.values():
            at = id_time(message.id)
            for recipient in message.recipients:
                if is_done(recipient):
                    continue
                key = recipient.queue.destination, recipient.state
                counts = ages.setdefault(key, [0] * (len(AGE_LIMITS) + 1))
                counts[age_bucket(now - at)] += 1
                oldest[key] = min(oldest.get(key, at), at)
        return tuple(
            QueueCount(*key, tuple(counts), oldest[key]) for key, counts in sorted(ages.items())
        )

    async def history(self, message: MessageId) -> tuple[bytes, ...]:
        """Return a message's journal entries in the order they were recorded."""
        self._check()
        return tuple(e.payload for e in self._disk.journal if e.message == message)

    # --- upkeep -------------------------------------------------------------------

    async def sweep(self, *, now: float, keep_final: float, keep_journal: float) -> int:
        """Remove what is older than its time; return how much."""
        self._check()
        disk = self._disk
        old = [message for message, at in disk.final_at.items() if at < now - keep_final]
        for message in old:
            del disk.final_at[message], disk.messages[message]
        oldest_day = (now - keep_journal) // _DAY
        kept = [entry for entry in disk.journal if entry.at // _DAY >= oldest_day]
        removed = len(old) + len(disk.journal) - len(kept)
        disk.journal[:] = kept
        for queue, keys in list(self._waiting.items()):
            for key in [key for key in keys if key[0] not in disk.messages]:
                del keys[key]
            if not keys:
                del self._waiting[queue]
        return removed

    async def backup(self, path: str) -> None:
        """Refuse: there is nothing on a disk to copy."""
        raise PermanentError(f"the store in memory cannot be copied to {path}")

    async def verify(self) -> tuple[Finding, ...]:
        """Check the bodies."""
        self._check()
        findings: list[Finding] = []
        for message in self._disk.bodies:
            try:
                async for _ in self.body(message):
                    pass
            except BodyDamaged:
                findings.append(body_damaged(message))
        return tuple(findings)

    # --- inside -------------------------------------------------------------------

    def _is_owner(self) -> bool:
        return self._disk.epochs.get(self._node) == self._epoch

    def _check(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the store is not open")
        if not self._is_owner():
            raise Fenced(f"node {self._node!r} has been opened again since")

    def _check_room(self, octets: int) -> None:
        capacity = self._disk.capacity
        if capacity is not None and self._disk.used() + octets > capacity:
            raise StoreFull(f"{capacity} octets are used up")

    def _check_batch(self, batch: Batch) -> None:
        kept = self._disk.messages
        new = {message.id: message for message in batch.keep}
        if len(new) < len(batch.keep) or not kept.keys().isdisjoint(new):
            raise PermanentError("a message with this id is kept already")
        for message in batch.keep:
            if message.content is None and message.id not in self._disk.chunks:
                raise PermanentError(f"message {show_id(message.id)} has no content")
        for result in batch.settle:
            settled = new.get(result.message) or kept.get(result.message)
            if settled is None or result.index >= len(settled.recipients):
                raise PermanentError(f"nothing to settle in {show_id(result.message)}")
        if batch.keep:
            self._check_room(sum(len(message.content or b"") for message in batch.keep))

    def _keep(self, message: KeptMessage) -> None:
        disk = self._disk
        if message.content is None:
            chunks = disk.chunks.pop(message.id)
            disk.bodies[message.id] = [chunks[number] for number in sorted(chunks)]
        else:
            disk.bodies[message.id] = [message.content]
        disk.messages[message.id] = kept = replace(message, content=None)
        self._index(kept)

    def _index(self, message: KeptMessage) -> None:
        for recipient in message.recipients:
            if recipient.next_attempt_at is None:
                self._waiting[recipient.queue].pop((message.id, recipient.index), None)
            else:
                self._waiting[recipient.queue][message.id, recipient.index] = None

    def _replace(self, message: MessageId, indexes: Iterable[int], step: _Step) -> None:
        kept = self._disk.messages.get(message)
        if kept is None:
            return
        recipients = list(kept.recipients)
        for index in indexes:
            recipients[index] = step(recipients[index])
        self._disk.messages[message] = new = replace(kept, recipients=tuple(recipients))
        self._index(new)

    def _finish(self, messages: Iterable[MessageId]) -> None:
        for message in messages:
            kept = self._disk.messages[message]
            if message not in self._disk.final_at and all(map(is_done, kept.recipients)):
                self._disk.final_at[message] = self._now()
                self._disk.bodies.pop(message, None)

    def _recipient(self, message: MessageId, index: int) -> KeptRecipient:
        return self._disk.messages[message].recipients[index]

    def _due_at(self, message: MessageId, index: int) -> float | None:
        return self._recipient(message, index).next_attempt_at

    def _work(self, queue: QueueKey, keys: Iterable[tuple[MessageId, int]]) -> list[Work]:
        indexes: dict[MessageId, list[int]] = {}
        for message, index in keys:
            indexes.setdefault(message, []).append(index)
        return [
            Work(
                self._disk.messages[message],
                queue,
                tuple(self._recipient(message, index) for index in members),
            )
            for message, members in indexes.items()
        ]


def _due(old: KeptRecipient, at: float) -> KeptRecipient:
    return replace(old, next_attempt_at=at)


def _becomes(old: KeptRecipient, new: KeptRecipient) -> KeptRecipient:
    del old
    return new


def _fly(old: KeptRecipient) -> KeptRecipient:
    """Leave a recipient as it was found, if nobody has tried or changed it."""
    if old.state is not RecipientState.QUEUED:
        return old
    return replace(old, state=RecipientState.IN_FLIGHT, next_attempt_at=None)


def _requeue(old: KeptRecipient, now: float) -> KeptRecipient:
    return replace(old, state=RecipientState.QUEUED, next_attempt_at=now)


async def _each(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
