"""Fair turns: lanes by deficit round-robin, then the queues of a lane in rotation.

No lane (a tenant, a stream) or queue can delay another by its size: a single message waits for at
most one turn of every other one. A turn is counted in recipients.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.policy.queue import QueueKey
from pillarbox.store.port import KeptMessage, KeptRecipient, MessageId

__all__ = ["Entry", "Lanes", "MailQueue"]

_QUANTUM: Final = 50
"""Recipients a lane may send in its turn."""


class Entry:
    """Recipients of one message in one queue, in memory; empty once they are taken."""

    __slots__ = ("message", "octets", "recipients")

    def __init__(
        self, message: KeptMessage, recipients: tuple[KeptRecipient, ...], octets: int
    ) -> None:
        self.message = message
        self.recipients = recipients
        self.octets = octets  # of content held in memory for it

    def take(self, count: int) -> tuple[KeptRecipient, ...]:
        """Remove and return the first ``count`` recipients."""
        taken, self.recipients = self.recipients[:count], self.recipients[count:]
        return taken


class MailQueue:
    """What is due for one queue key, in the order of arrival."""

    __slots__ = ("entries", "is_resolving", "key", "lanes", "site")

    def __init__(self, key: QueueKey) -> None:
        self.key = key
        self.entries: deque[Entry] = deque()
        self.lanes: Lanes | None = None  # where it waits; None until its site is known
        self.site = ""  # the key of its site
        self.is_resolving = False

    def empty(self) -> Iterator[tuple[KeptMessage, tuple[KeptRecipient, ...], int]]:
        """Remove everything."""
        for entry in self.entries:
            if entry.recipients:
                octets, entry.octets = entry.octets, 0
                yield entry.message, entry.take(len(entry.recipients)), octets
        self.entries.clear()

    def head(self) -> Entry | None:
        """Return the first entry that is not empty; empty ones before it are dropped."""
        entries = self.entries
        while entries:
            if entries[0].recipients:
                return entries[0]
            entries.popleft()
        return None


class _Lane:
    __slots__ = ("deficit", "queues")

    def __init__(self) -> None:
        self.queues: deque[MailQueue] = deque()
        self.deficit = 0


class Lanes:
    """The queues of one site, lane by lane."""

    def __init__(self, on_idle: Callable[[MailQueue], None]) -> None:
        """Call ``on_idle`` for each queue that becomes empty, and forget it."""
        self._on_idle = on_idle
        self._lanes: dict[str, _Lane] = {}
        self._turns: deque[str] = deque()
        # The other queues of a message with several recipients.
        self._elsewhere: dict[MessageId, list[Entry]] = {}

    def __bool__(self) -> bool:
        return bool(self._turns)

    def attach(self, queue: MailQueue) -> None:
        """Attach a queue with its contents to its lane."""
        queue.lanes = self
        lane = self._lanes.get(queue.key.lane)
        if lane is None:
            lane = self._lanes[queue.key.lane] = _Lane()
            self._turns.append(queue.key.lane)
        lane.queues.append(queue)
        for entry in queue.entries:
            self.note(entry)

    def note(self, entry: Entry) -> None:
        """Note an entry that was added to an attached queue."""
        if len(entry.message.recipients) > len(entry.recipients):
            self._elsewhere.setdefault(entry.message.id, []).append(entry)

    def next(self, limit: int) -> tuple[KeptMessage, tuple[KeptRecipient, ...], int] | None:
        """Take the next message with at most ``limit`` of its recipients.

        Recipients of the same message in other queues of the site come along.

        Returns:
            The message, the recipients, and the octets of content that were held for them.
        """
        while self._turns:
            name = self._turns[0]
            lane = self._lanes[name]
            entry = self._head(lane)
            if entry is None:
                del self._lanes[name]
                self._turns.popleft()
            elif lane.deficit <= 0:
                lane.deficit += _QUANTUM
                self._turns.rotate(-1)
            else:
                recipients, octets = self._take(entry, limit)
                lane.deficit -= len(recipients)
                return entry.message, recipients, octets
        return None

    def detach(self) -> None:
        """Release all queues with their contents."""
        for lane in self._lanes.values():
            for queue in lane.queues:
                queue.lanes, queue.site = None, ""
        self._forget()

    def drain(self) -> Iterator[tuple[KeptMessage, tuple[KeptRecipient, ...], int]]:
        """Take all entries, in any order."""
        for lane in self._lanes.values():
            for queue in lane.queues:
                yield from queue.empty()
                self._let_go(queue)
        self._forget()

    def _forget(self) -> None:
        self._lanes.clear()
        self._turns.clear()
        self._elsewhere.clear()

    def _head(self, lane: _Lane) -> Entry | None:
        """Return the next entry of a lane, and move its queue to the end of the rotation."""
        while lane.queues:
            queue = lane.queues[0]
            entry = queue.head()
            if entry is not None:
                if lane.deficit > 0:
                    lane.queues.rotate(-1)
                return entry
            lane.queues.popleft()
            self._let_go(queue)
        return None

    def _let_go(self, queue: MailQueue) -> None:
        queue.lanes = None
        self._on_idle(queue)

    def _take(self, entry: Entry, limit: int) -> tuple[tuple[KeptRecipient, ...], int]:
        message = entry.message
        recipients = entry.take(limit)
        octets = 0
        if not entry.recipients:
            octets, entry.octets = entry.octets, 0
        if (others := self._elsewhere.get(message.id)) is None:
            return recipients, octets
        for other in others:
            if (room := limit - len(recipients)) <= 0:
                break
            recipients += other.take(room)
            if not other.recipients:
                octets += other.octets
                other.octets = 0
        left = [other for other in others if other.recipients]
        if left:
            self._elsewhere[message.id] = left
        else:
            del self._elsewhere[message.id]
        return tuple(sorted(recipients, key=lambda recipient: recipient.index)), octets
