"""Events that belong to a message, stored with it as its history."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from pillarbox.events.encode import encode, message_of
from pillarbox.events.types import Event
from pillarbox.store.group import GroupCommit
from pillarbox.store.ids import parse_id
from pillarbox.store.port import JournalEntry

__all__ = ["Teller"]

# A message has three events at least, most of them within a moment.
_number_of: Final = lru_cache(maxsize=1_024)(parse_id)


class Teller:
    """A ``Sink`` that sends each event to the log and to the history of its message.

    An event is encoded once for both. A crash may lose the last second of a history; it never loses
    the state of a message.
    """

    def __init__(self, log: Callable[[Event, bytes | None], None]) -> None:
        """Write to ``log``; histories are stored once ``keep_in`` has named the store."""
        self._log = log
        self._group: GroupCommit | None = None

    def keep_in(self, group: GroupCommit) -> None:
        """Store histories through this group commit from now on."""
        self._group = group

    def __call__(self, event: Event) -> None:
        """Take one event."""
        message = message_of(event)
        if not message or self._group is None:
            self._log(event, None)
            return
        encoded = encode(event)
        self._log(event, encoded)
        self._group.record((JournalEntry(event.at, _number_of(message), encoded),))
