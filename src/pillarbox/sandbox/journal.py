"""State that must survive a restart although it changes often: webhook calls, rule counts.

Changes are noted at once and written a little later, many together, so that nothing waits for a
disk. The last fraction of a second may be lost in a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

import msgspec

__all__ = ["Journal", "RecordStore"]

T = TypeVar("T")


class RecordStore(Protocol):
    """Where records are kept; ``inbox.port.Inbox`` is one."""

    async def records(self, kind: str) -> dict[str, bytes]:
        """Return what is known of a kind of things that happened, the first one first."""
        ...

    async def put_records(self, kind: str, records: Mapping[str, bytes | None]) -> None:
        """Write what is known by now, and forget what is None."""
        ...


class Journal(Generic[T]):
    """The records of one kind."""

    def __init__(self, store: RecordStore | None, kind: str, record: type[T]) -> None:
        """Begin with nothing.

        Args:
            store: Where they are kept; None: nowhere, so that nothing survives.
            kind: Their kind, as it is kept.
            record: Their type.
        """
        self._store = store
        self._kind = kind
        self._decoder = msgspec.msgpack.Decoder(record)
        self._waiting: dict[str, T | None] = {}

    async def load(self) -> dict[str, T]:
        """Return what was kept, the first one first; what cannot be read any more is left out."""
        found: dict[str, T] = {}
        kept = {} if self._store is None else await self._store.records(self._kind)
        for name, octets in kept.items():
            try:
                found[name] = self._decoder.decode(octets)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
        return found

    def note(self, name: str, record: T | None) -> None:
        """Take note of what is known of something by now; None: forget it. Returns at once."""
        if self._store is not None:
            self._waiting[name] = record

    async def write(self) -> None:
        """Write what was noted.

        Raises:
            StoreUnavailable: The inbox fails; what was noted is written the next time.
        """
        if self._store is None or not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        records = {
            name: None if record is None else msgspec.msgpack.encode(record)
            for name, record in waiting.items()
        }
        try:
            await self._store.put_records(self._kind, records)
        except BaseException:
            self._waiting = waiting | self._waiting
            raise
