"""The content of one message while it arrives: in memory first, in the store when it grows.

Its share of the memory budget is reserved before it begins and released when it is over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from pillarbox.intake.door import SMALL_CONTENT, Door
from pillarbox.intake.draft import Answer, Kept, Origin
from pillarbox.intake.large import LargeContent
from pillarbox.policy.ruling import Ruling
from pillarbox.smtp.envelope import Envelope
from pillarbox.smtp.events import ContentFacts
from pillarbox.smtp.reply import EnhancedCode, Reply
from pillarbox.store.port import INLINE_BODY

__all__ = ["Content", "accepted", "share_of"]

# A large content holds a chunk that is written, one that waits, and one that comes in.
_LARGE_SHARE: Final = 4 * INLINE_BODY
_ACCEPTED_CODE: Final = EnhancedCode(2, 0, 0)


def share_of(size: int | None) -> int:
    """Return the octets of memory to reserve for a content, by the size that MAIL declared."""
    return SMALL_CONTENT if size is None or size <= SMALL_CONTENT else _LARGE_SHARE


def accepted(kept: Kept) -> Reply:
    """Return the reply to a message that is on disk."""
    return Reply(250, (f"OK, queued as {kept.shown}",), _ACCEPTED_CODE)


class Content:
    """Collects a content, and hands it to the door."""

    __slots__ = (
        "_door",
        "_envelope",
        "_large",
        "_on_room",
        "_origin",
        "_pieces",
        "_rulings",
        "_share",
        "size",
        "started_at",
    )

    def __init__(
        self,
        door: Door,
        origin: Origin,
        envelope: Envelope,
        *,
        share: int,
        started_at: float,
        on_room: Callable[[], None],
        rulings: tuple[Ruling, ...] = (),
    ) -> None:
        """Begin a content.

        Args:
            door: Where it goes.
            origin: Who brings it.
            envelope: Its envelope, aliases followed.
            share: What was taken from the budget for it.
            started_at: The monotonic clock, seconds.
            on_room: Called when a congested content can take more.
            rulings: What was said of the session and the envelope.
        """
        self._door = door
        self._origin = origin
        self._envelope = envelope
        self._share = share
        self._on_room = on_room
        self._rulings = rulings
        self._pieces: list[bytes] = []
        self._large: LargeContent | None = None
        self.size = 0
        self.started_at = started_at

    @property
    def is_congested(self) -> bool:
        """Whether the client should wait until ``on_room`` is called."""
        return self._large is not None and self._large.is_congested

    def add(self, data: bytes) -> None:
        """Take the next octets."""
        self.size += len(data)
        if self._large is not None:
            self._large.feed(data)
            return
        self._pieces.append(data)
        if self.size > SMALL_CONTENT:
            self._grow()

    def end(self, facts: ContentFacts, answer: Answer) -> None:
        """Have the content committed; ``answer`` is called with the outcome."""
        answer = partial(self._answered, answer)
        if self._large is not None:
            self._door.keep_large(self._large, facts, answer)
            return
        pieces = self._pieces
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._door.keep(self._origin, self._envelope, content, facts, answer, self._rulings)

    def abort(self) -> None:
        """Discard what has arrived."""
        self._give_back()
        if self._large is not None:
            self._large.abort()

    def _answered(self, answer: Answer, outcome: Kept | Reply) -> None:
        self._give_back()
        answer(outcome)

    def _grow(self) -> None:
        if self._share < _LARGE_SHARE:
            self._door.guards.budget.charge(_LARGE_SHARE - self._share)
            self._share = _LARGE_SHARE
        self._large = self._door.begin_large(
            self._origin, self._envelope, self._on_room, self._rulings
        )
        for piece in self._pieces:
            self._large.feed(piece)
        self._pieces = []

    def _give_back(self) -> None:
        self._door.guards.budget.give_back(self._share)
        self._share = 0
