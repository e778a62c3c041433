"""The messages held in memory for delivery, and reading the rest back when it is due.

Mail arrives here right after its commit. Mail that does not fit or is due later stays in the store,
where it is found by its due time. So a backlog of a million costs no more memory than the
scheduler's bounds. Reading back rotates over the queues, with an equal share for each.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence, Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from pillarbox.deliver.job import Job
from pillarbox.deliver.lanes import Entry, MailQueue
from pillarbox.deliver.steady import SteadyClock
from pillarbox.policy.queue import QueueKey
from pillarbox.store.port import (
    KeptMessage,
    KeptRecipient,
    MessageId,
    Store,
    StoreUnavailable,
    Work,
)

__all__ = ["Bounds", "Scheduler"]

_LONGEST_SLEEP: Final = 300.0  # seconds; the wall clock may jump meanwhile
_STORE_DOWN: Final = 1.0  # seconds before a store that failed is asked again
_NOTHING_NEW: Final = 0.2  # seconds before the next check, when everything due is in memory
_QUEUES_AT_ONCE: Final = 20  # no queue takes more than a twentieth of the memory from others
_QUEUE_OF = attrgetter("queue")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Memory limits; beyond ``octets``, contents are read from the store again."""

    recipients: int
    octets: int  # of contents


class Scheduler:
    """The bounded part of the queue that is in memory."""

    def __init__(
        self,
        store: Store,
        clock: SteadyClock,
        bounds: Bounds,
        place: Callable[[Sequence[MailQueue]], None],
    ) -> None:
        """Hold due mail.

        Args:
            store: Where all mail is.
            clock: The time of schedules.
            bounds: Memory limits.
            place: Called with the queues that have new mail.
        """
        self._store = store
        self._clock = clock
        self.use(bounds)
        self._place = place
        self._queues: dict[QueueKey, MailQueue] = {}
        self._held: set[tuple[MessageId, int]] = set()
        self._gone: set[tuple[MessageId, int]] = set()  # released while the store was being read
        self._is_reading = False
        self._octets = 0
        self._cursor: QueueKey | None = None
        self._is_complete = False  # whether all mail due at ``_read_for`` is in memory
        self._read_for = -math.inf  # the time for which the store was read last
        self._due_at: float | None = None  # nothing unread is due between these two
        self._wake = asyncio.Event()

    def use(self, bounds: Bounds) -> None:
        """Use new memory limits."""
        self._most_recipients = bounds.recipients
        self._most_octets = bounds.octets
        self._most_of_queue = max(bounds.recipients // _QUEUES_AT_ONCE, 1)

    @property
    def held(self) -> int:
        """How many recipients are in memory, including those in flight."""
        return len(self._held)

    @property
    def octets(self) -> int:
        """How many octets of contents are in memory."""
        return self._octets

    # --- in -------------------------------------------------------------------------

    def offer(self, message: KeptMessage) -> None:
        """Accept a message that was just committed, if there is room."""
        recipients = message.recipients
        due_at = recipients[0].next_attempt_at
        if due_at is not None and due_at > message.accepted_at:  # it waits for its turn
            self.expect(due_at)
            return
        room = self._most_recipients - len(self._held) - len(recipients)
        if room < 0 or (2 * room < self._most_recipients and self._is_crowded(recipients[0].queue)):
            self._is_complete = False
            return
        message = self._lighten(message)
        if len(recipients) == 1:
            if self._is_new(message.id, recipients[0]):
                self._place((self._add(message, recipients),))
            return
        due = [each for each in recipients if self._is_new(message.id, each)]
        due.sort(key=_queue_order)
        groups = [tuple(group) for _, group in groupby(due, key=_QUEUE_OF)]
        self._place([self._add(message, group) for group in groups])

    def reserve(self, work: Work) -> None:
        """Prevent work from being loaded until it is restored."""
        for recipient in work.recipients:
            self._held.add((work.message.id, recipient.index))

    def is_under_way(self, message: KeptMessage, besides: frozenset[int]) -> bool:
        """Whether recipients of a message are in memory, besides those with these indexes."""
        held, number = self._held, message.id
        return any(
            (number, each.index) in held for each in message.recipients if each.index not in besides
        )

    def release(self, job: Job) -> None:
        """Forget a job whose result is on disk."""
        number = job.message.id
        for recipient in job.recipients:
            self._let_go(number, recipient.index)
        self._octets -= job.octets
        if not self._is_complete and 2 * len(self._held) < self._most_recipients:
            self._wake.set()

    def forget(self, key: QueueKey, gone: AbstractSet[tuple[MessageId, int]]) -> None:
        """Remove recipients from a queue, because an operator holds or cancels them."""
        queue = self._queues.get(key)
        for entry in () if queue is None else queue.entries:
            number = entry.message.id
            left = tuple(kept for kept in entry.recipients if (number, kept.index) not in gone)
            if len(left) == len(entry.recipients):
                continue
            for kept in entry.recipients:
                if kept not in left:
                    self._let_go(number, kept.index)
            entry.recipients = left
            if not left:
                self._octets -= entry.octets
                entry.octets = 0

    def restore(self, work: Work) -> None:
        """Restore work that was held before, as if it had been loaded."""
        self._place((self._add(work.message, work.recipients),))

    def place_all(self) -> None:
        """Offer all queues again: delivery resumes after a pause."""
        self._place(list(self._queues.values()))

    def queue(self, key: QueueKey) -> MailQueue | None:
        """Return a queue that is in memory."""
        return self._queues.get(key)

    def refresh(self) -> None:
        """Check the store soon: something in it is due."""
        self._is_complete = False
        self._wake.set()

    def expect(self, due: float) -> None:
        """Check the store at ``due`` (wall clock) at the latest: something will be due."""
        if due <= self._read_for:  # the last read may have been too early to see it
            self.refresh()
        elif self._note_due(due):
            self._wake.set()

    def queue_idle(self, queue: MailQueue) -> None:
        """Forget an empty queue."""
        if self._queues.get(queue.key) is queue:
            del self._queues[queue.key]

    # --- reading back ---------------------------------------------------------------

    async def run(self) -> None:
        """Read back what is due, until canceled."""
        while True:
            try:
                # Both look at the store with one time, so that nothing is due in between.
                now = self._clock.now()
                await self._look_ahead(now)
                await self._load(now)
            except StoreUnavailable:
                await asyncio.sleep(_STORE_DOWN)
            else:
                await self._sleep()

    async def _look_ahead(self, now: float) -> None:
        """Find out when something is due after ``now``, unless that is known."""
        if self._due_at is not None:
            if self._due_at > now:
                return
            self._due_at = None
            self._is_complete = False
        found = await self._store.next_due_at(after=now)
        if found is not None:
            self._note_due(found)  # a recipient settled meanwhile may be due earlier

    async def _load(self, now: float) -> None:
        """Read back what is due at ``now``, as far as there is room."""
        room = self._most_recipients - len(self._held)
        if self._is_complete or room <= 0 or 2 * room < self._most_recipients:
            return
        works = await self._read(now, room)
        held = len(self._held)
        queues: dict[QueueKey, MailQueue] = {}
        for work in works:
            # There may be more: of the queues that gave their share, or of those behind.
            self._is_complete = False
            self._cursor = work.queue
            if not self._is_crowded(work.queue) and (fresh := self._fresh(work)):
                queues[work.queue] = self._add(self._lighten(work.message), fresh)
        self._place(list(queues.values()))
        if len(self._held) == held and works:
            await asyncio.sleep(_NOTHING_NEW)
            if not self._held:  # no release will wake us
                self._wake.set()
        elif works and 2 * len(self._held) < self._most_recipients:
            self._wake.set()

    async def _read(self, now: float, room: int) -> Sequence[Work]:
        """Read from the store; everything due is in memory if nothing comes of it."""
        self._is_complete = True  # an offer that finds no room meanwhile resets it
        self._read_for = now
        self._gone.clear()
        self._is_reading = True
        try:
            return await self._store.load(
                now=now,
                limit=room,
                per_queue=self._most_of_queue,
                exclude=frozenset(self._held),
                after=self._cursor,
            )
        except BaseException:
            self._is_complete = False
            raise
        finally:
            self._is_reading = False

    async def _sleep(self) -> None:
        """Wait until something is due, or the store is to be checked for another reason."""
        wait = _LONGEST_SLEEP
        if self._due_at is not None:
            wait = min(max(self._due_at - self._clock.now(), 0.01), wait)
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _note_due(self, due: float) -> bool:
        """Keep the earlier of two due times; return whether it is the new one."""
        is_earlier = self._due_at is None or due < self._due_at
        if is_earlier:
            self._due_at = due
        return is_earlier

    def _is_new(self, number: MessageId, recipient: KeptRecipient) -> bool:
        """Whether to try a recipient of a new message now: not if it is held, or already here."""
        return recipient.state.value == 0 and (number, recipient.index) not in self._held

    def _is_crowded(self, key: QueueKey) -> bool:
        """Whether a queue has used its share of memory: a slow one must leave room for others."""
        queue = self._queues.get(key)
        return queue is not None and len(queue.entries) >= self._most_of_queue

    def _fresh(self, work: Work) -> tuple[KeptRecipient, ...]:
        """Return what is new: the rest was offered, or even finished, while the store was read."""
        number = work.message.id
        return tuple(
            kept
            for kept in work.recipients
            if (number, kept.index) not in self._held and (number, kept.index) not in self._gone
        )

    def _let_go(self, number: MessageId, index: int) -> None:
        self._held.discard((number, index))
        if self._is_reading:
            self._gone.add((number, index))

    def _lighten(self, message: KeptMessage) -> KeptMessage:
        """Leave the content in the store when there is no room for it here."""
        if message.content is not None and self._octets + message.size > self._most_octets:
            return replace(message, content=None)
        return message

    def _add(self, message: KeptMessage, recipients: tuple[KeptRecipient, ...]) -> MailQueue:
        number = message.id
        for recipient in recipients:
            self._held.add((number, recipient.index))
        octets = 0 if message.content is None else message.size
        self._octets += octets
        key = recipients[0].queue
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = MailQueue(key)
        entry = Entry(message, recipients, octets)
        queue.entries.append(entry)
        if queue.lanes is not None:
            queue.lanes.note(entry)
        return queue


def _queue_order(recipient: KeptRecipient) -> tuple[str, str, str, str]:
    key = recipient.queue
    return key.lane, key.destination, key.route, key.source
