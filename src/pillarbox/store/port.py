"""The store port: durable storage of mail, in the terms of pillarbox.

Three adapters implement it and pass one contract suite: ``memory`` (the fake), ``sqlite`` (the
default, one file) and ``postgres`` (for many machines).

What every adapter promises:

* **Kept means kept.** When ``commit`` returns, the whole batch survives a power cut. When it
  raises, nothing of the batch is visible, now or later. (After a connection lost during COMMIT, or
  a sync that failed, nobody knows: that raises ``StoreUnavailable``, the caller answers 4xx, and
  the batch is there completely or not at all.)
* **One owner.** A store is opened as a node; each opening gets a new epoch. Every write is fenced
  by it: after another has taken over, writes raise ``Fenced``.
* **Bodies** up to ``INLINE_BODY`` octets travel in the batch; larger ones are written in chunks
  beforehand, and become visible only with the commit that keeps their message.
* **Nothing damaged is read.** A body that does not match its checksum raises ``BodyDamaged``; its
  message can be held while the rest flows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NewType, Protocol

from msgspec import Struct

from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.findings import Finding
from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.smtp.envelope import Envelope
from pillarbox.store.credentials import CredentialStore
from pillarbox.store.notes import NoteStore

__all__ = [
    "INLINE_BODY",
    "Batch",
    "BodyDamaged",
    "Change",
    "Changed",
    "Fenced",
    "JournalEntry",
    "Keeper",
    "KeptMessage",
    "KeptRecipient",
    "MessageId",
    "QueueCount",
    "Selection",
    "Settlement",
    "StartMark",
    "Store",
    "StoreFull",
    "StoreUnavailable",
    "Way",
    "Work",
]

INLINE_BODY: Final = 64 * 1024
"""Octets up to which a body is kept in the message's own commit."""

MessageId = NewType("MessageId", int)
"""A message's number: 63 bits, growing with time, unique over all nodes (``store.ids``)."""


class StoreUnavailable(TemporaryError):  # noqa: N818 - reads as what it says
    """The store does not answer, or its disk fails; nothing was stored. 451 4.3.0."""


class StoreFull(StoreUnavailable):
    """There is no room left on the store's disk; nothing was stored. 452 4.3.1."""


class Fenced(PermanentError):  # noqa: N818
    """Another process has since opened the store as this node; this one must stop."""


class BodyDamaged(PermanentError):  # noqa: N818
    """A stored body does not match its checksum, or parts of it are missing."""


class KeptRecipient(Struct, frozen=True, gc=False, kw_only=True):
    """One recipient of a message as it is stored."""

    index: int  # its place in the message's envelope, from 0; with the message id, its key
    queue: QueueKey
    state: RecipientState = RecipientState.QUEUED
    attempts: int = 0  # started so far
    crashes: int = 0  # attempts that ended with this process dying while it was suspect
    next_attempt_at: float | None = None  # wall clock; None: not due by itself (final, held)
    last_reply: str = ""  # the last reply of a peer, or our reason, in one line
    delay_notified: bool = False  # whether the sender was told of the delay (RFC 3461 §4.1)


class KeptMessage(Struct, frozen=True, gc=False, kw_only=True):
    """One message as it is stored. ``recipients[i]`` belongs to ``envelope.recipients[i]``."""

    id: MessageId
    accepted_at: float  # wall clock, seconds
    envelope: Envelope
    recipients: tuple[KeptRecipient, ...]
    size: int  # octets of the content, trace headers included
    content: bytes | None  # None: larger than INLINE_BODY, written in chunks under this id
    checksum: int  # CRC-32 of the content (zlib.crc32)
    header_size: int  # octets up to and including the empty line after the header
    has_8bit: bool = False
    has_long_lines: bool = False  # a line of more than 998 octets without its CRLF
    message_id_header: str = ""  # the Message-ID field's value with its angle brackets
    origin: str = ""  # the listener's name, "sendmail", "dsn"
    identity: str = ""  # who authenticated, "" for nobody
    client: str = ""  # the peer's address, as text
    session: str = ""  # the session that brought it; stores do not keep it, inboxes do
    tls: str = ""  # its version and cipher; as above
    bounce_of: MessageId | None = None  # for a DSN: the message that it reports on


class StartMark(Struct, frozen=True, gc=False):
    """Says, on disk, that an attempt for these recipients is about to start."""

    message: MessageId
    indexes: tuple[int, ...]


class Settlement(Struct, frozen=True, gc=False, kw_only=True):
    """The result of one attempt (or of one decision without an attempt) for one recipient."""

    message: MessageId
    index: int
    state: RecipientState
    attempts: int
    next_attempt_at: float | None
    last_reply: str
    delay_notified: bool = False


class JournalEntry(Struct, frozen=True, gc=False):
    """One event of a message's history, encoded as JSON by ``pillarbox.events``."""

    at: float
    message: MessageId | None  # None: an event that belongs to no message
    payload: bytes


@dataclass(slots=True)
class Batch:
    """Everything that one transaction writes, completely or not at all."""

    keep: list[KeptMessage] = field(default_factory=list)
    start: list[StartMark] = field(default_factory=list)
    settle: list[Settlement] = field(default_factory=list)
    record: list[JournalEntry] = field(default_factory=list)


class Work(Struct, frozen=True, gc=False):
    """Recipients of one message in the same queue, ready to be tried.

    ``recipients`` is a subset of ``message.recipients`` (by their ``index``).
    """

    message: KeptMessage  # content may be None even for a small body: read it with ``body``
    queue: QueueKey
    recipients: tuple[KeptRecipient, ...]


class Change(Enum):
    """What an operator can do to recipients in the queue."""

    RETRY = "retry"  # due now
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Way:
    """A route for recipients that replaces theirs, and its source address."""

    route: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which recipients an operator means; every field that is set must match."""

    messages: frozenset[MessageId] | None = None
    recipient: str | None = None  # the whole address, case-insensitive
    recipient_domain: str | None = None
    sender: str | None = None  # the reverse-path; "" for the null one
    states: frozenset[RecipientState] | None = None  # None: all that are not final
    accepted_before: float | None = None
    accepted_after: float | None = None
    message_id_header: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A recipient that a change affected, for the scheduler to follow."""

    message: MessageId
    index: int
    queue: QueueKey
    state: RecipientState
    next_attempt_at: float | None
    moved_from: QueueKey | None = None  # the queue it stood in, where that is another


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many recipients of a destination are in a state, by the age of their message."""

    destination: str
    state: RecipientState
    ages: tuple[int, ...]  # counts: under 5, 10, 20, 40, 80, 160, 320, 640, 1280 min; older
    oldest_accepted_at: float


class Keeper(Protocol):
    """Where the door stores messages: a store, or the inbox of a sandbox."""

    async def commit(self, batch: Batch) -> None:
        """Write a batch durably, all or nothing. One call at a time (``store.group``).

        Raises:
            StoreFull: No room; nothing was stored.
            StoreUnavailable: It failed; nothing was stored.
            Fenced: Another process owns this node's mail now.
        """
        ...

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large body, before its message is committed."""
        ...

    async def discard_chunks(self, message: MessageId) -> None:
        """Discard the chunks of a message that will not be committed."""
        ...


class Store(Keeper, Protocol):
    """Storage of mail. All methods raise ``StoreUnavailable`` when the store is down."""

    @property
    def credentials(self) -> CredentialStore:
        """The credentials."""
        ...

    @property
    def notes(self) -> NoteStore:
        """The notes."""
        ...

    # --- life ---------------------------------------------------------------------

    @property
    def has_failed(self) -> bool:
        """Whether the disk failed, so that nothing is written until the store is reopened."""
        ...

    async def open(self) -> None:
        """Open as the node given to the constructor, in a new epoch; migrate if needed.

        After an unclean stop, what was in flight is queued again, due now, and listed by
        ``suspects``.

        Raises:
            PermanentError: The file is damaged, newer than this program, or locked.
        """
        ...

    async def close(self, *, keep_suspects: bool = False) -> None:
        """Close cleanly: there are no suspects at the next opening. Safe to call twice.

        Args:
            keep_suspects: Those of this opening that nobody has tried are suspects again at
                the next one: for who only came to look after a node that died.
        """
        ...

    async def heartbeat(self, *, now: float) -> None:
        """Report that this node is alive, for the nodes that share the store.

        Raises:
            Fenced: Another process owns this node's mail now.
        """
        ...

    async def adopt(self, *, now: float, dead_after: float) -> tuple[str, ...]:
        """Adopt the mail of nodes that died; return their names.

        What they had in flight is queued again, due now. A node that was adopted and comes back
        begins with an empty queue.

        Args:
            now: The wall clock.
            dead_after: Seconds without a heartbeat after which a node is dead.
        """
        ...

    async def free_octets(self) -> int | None:
        """Return how many octets are free on the store's disk, or None if unknown."""
        ...

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
        """Read back what is due, a fair share of each queue.

        Args:
            now: Recipients whose ``next_attempt_at`` is not later are due.
            limit: At most this many recipients in all.
            per_queue: At most this many recipients of one queue, the longest due first.
            exclude: Recipients that the caller holds in memory already.
            after: Go on behind this queue (in the order of destination, route, source),
                and wrap around at the end, so that every queue gets its turn. Lanes share
                ``limit`` evenly, and each goes on behind the same place.
        """
        ...

    async def next_due_at(self, *, after: float) -> float | None:
        """Return the earliest ``next_attempt_at`` later than ``after``, or None."""
        ...

    async def bring_near(self, *, now: float, latest: float) -> int:
        """Move retries that are due later to ``latest``, a bounded number per call.

        The wall clock may have jumped back since due times were written. What was never tried waits
        by intent, unless its acceptance is now in the future.

        Args:
            now: The wall clock.
            latest: Until when anything may wait.

        Returns:
            How many recipients were moved.
        """
        ...

    async def suspects(self) -> tuple[Work, ...]:
        """Return what was in flight when the process last died, to be tried one at a time."""
        ...

    async def count_crash(self, message: MessageId, indexes: Sequence[int]) -> int:
        """Durably add one to the crash count before a suspect is tried; return the new count."""
        ...

    def body(self, message: MessageId) -> AsyncIterator[bytes]:
        """Read a message's content in chunks of at most 64 KiB.

        Raises:
            BodyDamaged: It does not match its checksum; raised before the last chunk is returned,
                so that no whole damaged body ever leaves.
        """
        ...

    # --- seeing and steering ------------------------------------------------------

    async def message(self, message: MessageId) -> KeptMessage | None:
        """Return one message with all its recipients, without its content."""
        ...

    async def find(
        self, selection: Selection, *, limit: int, after: MessageId | None = None
    ) -> tuple[KeptMessage, ...]:
        """Return messages with at least one matching recipient, in the order of their ids."""
        ...

    async def change(
        self, selection: Selection, change: Change, *, now: float, way: Way | None = None
    ) -> tuple[Changed, ...]:
        """Apply a change to all matching recipients that are not in flight and not final.

        Args:
            selection: Which recipients.
            change: What to do.
            now: The wall clock.
            way: Their new route, for RETRY and RELEASE.
        """
        ...

    async def count(self, *, now: float) -> tuple[QueueCount, ...]:
        """Return the numbers behind ``pillarbox queue summary``.

        Final states are left out, uncertain deliveries that are not tried again too. A
        message's age is that of its id.
        """
        ...

    async def history(self, message: MessageId) -> tuple[bytes, ...]:
        """Return a message's journal entries in the order they were recorded."""
        ...

    # --- upkeep -------------------------------------------------------------------

    async def sweep(self, *, now: float, keep_final: float, keep_journal: float) -> int:
        """Remove what has outlived its time, a bounded amount per call; return how much.

        Args:
            now: The wall clock.
            keep_final: Seconds for which messages are retained after all their recipients reached a
                final state (their bodies are removed at once).
            keep_journal: Seconds for which journal entries are retained, in whole days.
        """
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a new file while the node runs."""
        ...

    async def verify(self) -> tuple[Finding, ...]:
        """Check the whole store: structure, checksums, states; findings for what is wrong."""
        ...
