"""A content too large for memory, written to the store in chunks while it arrives.

At most three chunks are in memory: one being written, one waiting, and the one arriving. The first
chunk waits for the whole header, so that it contains the trace field and the edits of a
submission; where a message is inspected, it waits for the inspectors' fields and is written last.
The store shows nothing of it until its message is committed; an abandoned content is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final
from zlib import crc32

from pillarbox.errors import PillarboxError
from pillarbox.intake.background import start
from pillarbox.intake.checksum import joined_crc32
from pillarbox.intake.draft import Draft
from pillarbox.intake.inspection import Inspection, Inspectors
from pillarbox.intake.stamp import Stamped, Stamper
from pillarbox.smtp.reply import Reply
from pillarbox.store.port import INLINE_BODY, Keeper

__all__ = ["LargeContent", "Written"]

_CHUNK: Final = INLINE_BODY
_HEADER_END: Final = b"\r\n\r\n"

Written = Stamped | Reply | BaseException
"""What came of writing: all is in the store, the header was refused, or the store failed."""


class LargeContent:
    """One large content on its way into the store."""

    def __init__(
        self,
        store: Keeper,
        stamper: Stamper,
        inspectors: Inspectors,
        draft: Draft,
        on_room: Callable[[], None],
    ) -> None:
        """Begin; ``on_room`` is called when a content that was congested can take more."""
        self.draft = draft
        self.inspection: Inspection | None = None  # while it runs, the header is not written
        self.size = 0  # octets in the store or on their way there, added fields included
        self.checksum = 0
        self._store = store
        self._stamper = stamper
        self._inspectors = inspectors
        self._on_room = on_room
        self._waiting = bytearray()  # before the header is complete: all that came
        self._result: Stamped | Reply | None = None
        self._error: BaseException | None = None
        self._chunks = 0
        self._is_writing = False
        self._is_over = False  # ended or given up
        self._on_written: Callable[[Written], None] | None = None

    @property
    def is_congested(self) -> bool:
        """Whether the sender should wait until ``on_room`` is called."""
        return self._is_writing and len(self._waiting) >= _CHUNK

    def feed(self, data: bytes) -> None:
        """Take octets that arrived. After a refusal or failure they are discarded."""
        if isinstance(self._result, Reply) or self._error is not None:
            return
        if self._result is not None:
            self._waiting += data
            if self.inspection is not None:
                self._try(self.inspection.feed, data)
        else:
            seen = max(len(self._waiting) - len(_HEADER_END) + 1, 0)
            self._waiting += data
            is_complete = self._waiting.find(_HEADER_END, seen) >= 0
            if not is_complete and len(self._waiting) <= self._stamper.limits.max_size:
                return
            self._try(self._stamp)
        self._write()

    def end(self, on_written: Callable[[Written], None]) -> None:
        """Write the rest; ``on_written`` is called once with the outcome."""
        if self._result is None and self._error is None:
            self._try(self._stamp)
        self._is_over = True
        self._on_written = on_written
        self._write()

    async def put_on_top(self, header: Stamped) -> None:
        """Write the header of an inspected content, whose body has been written.

        Raises:
            StoreUnavailable: The store failed; the content cannot be kept.
        """
        top = header.octets
        await self._store.write_chunk(self.draft.message, 0, top)
        self.checksum = joined_crc32(crc32(top), self.checksum, self.size)
        self.size += len(top)

    def abort(self) -> None:
        """Abandon the content, and remove it from the store."""
        self._is_over = True
        self._on_written = None
        self._waiting.clear()
        if not self._is_writing:
            self.discard()

    def discard(self) -> None:
        """Remove what the store has of a content that will certainly not be committed."""
        if self._chunks:
            start(self._discard())

    def _try(self, step: Callable[..., None], *args: bytes) -> None:
        try:
            step(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender must hear of it
            self._error = error
            self._waiting.clear()

    def _stamp(self) -> None:
        stamped = self._stamper.stamp(bytes(self._waiting), self.draft)
        if isinstance(stamped, Reply):
            self._result = stamped
            self._waiting.clear()
            return
        self.inspection = self._inspectors.begin(self.draft, stamped.header)
        if self.inspection is None:
            self._result = stamped
            self._waiting = bytearray(stamped.octets)
            return
        self._result = stamped.without_body
        self._waiting = bytearray(stamped.body)
        self._chunks = 1  # the header's is 0
        self.inspection.feed(stamped.body)

    def _write(self) -> None:
        if self._is_writing:
            return
        if self._error is None and (
            len(self._waiting) >= _CHUNK or (self._is_over and self._waiting)
        ):
            chunk = bytes(self._waiting[:_CHUNK])
            del self._waiting[:_CHUNK]
            self.checksum = crc32(chunk, self.checksum)
            self.size += len(chunk)
            self._is_writing = True
            start(self._write_chunk(chunk))
        elif self._on_written is not None:
            self._tell(self._on_written)

    def _tell(self, on_written: Callable[[Written], None]) -> None:
        self._on_written = None
        outcome = self._error or self._result
        if outcome is None:  # there is nothing to keep before `end` has stamped it
            return
        if not isinstance(outcome, Stamped):
            self.discard()
        on_written(outcome)

    async def _write_chunk(self, chunk: bytes) -> None:
        number, self._chunks = self._chunks, self._chunks + 1
        try:
            await self._store.write_chunk(self.draft.message, number, chunk)
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender must hear of it
            self._error = error
        was_congested = len(self._waiting) >= _CHUNK
        if self._error is not None:
            self._waiting.clear()  # the sender is still let go on, to be told at the end
        self._is_writing = False
        if self._is_over and self._on_written is None:  # given up meanwhile
            self.discard()
            return
        self._write()
        if was_congested and not self.is_congested and not self._is_over:
            self._on_room()

    async def _discard(self) -> None:
        self._chunks = 0
        # Where it fails, the store removes orphans when it is opened, and in its sweep.
        with suppress(PillarboxError):
            await self._store.discard_chunks(self.draft.message)
