"""One content while it arrives, by DATA or by BDAT: its framing and its inspection."""

from __future__ import annotations

from pillarbox.smtp.events import ContentFacts
from pillarbox.smtp.framing import ChunkReader, DataReader
from pillarbox.smtp.inspection import ContentInspector
from pillarbox.smtp.lines import LineReader
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.reply import Reply

__all__ = ["IncomingContent", "excess_limit"]


def excess_limit(options: ServerOptions) -> int:
    """Return after how many octets of one content the connection is closed.

    Less is read to its true end, so that the client gets its answer (RFC 5321 §4.5.3.1.9).
    """
    return 2 * options.max_message_size + 1_048_576


class IncomingContent:
    """A content in progress: it ends when ``read`` says so (DATA), or with the last chunk (BDAT)."""

    __slots__ = ("_chunks", "_data", "_excess_limit", "_inspector", "is_last_chunk")

    def __init__(self, options: ServerOptions, *, is_chunked: bool) -> None:
        self._inspector = ContentInspector(
            max_size=options.max_message_size,
            max_line=options.max_text_line,
            normalizes=options.normalize_line_ends,
        )
        self._excess_limit = excess_limit(options)
        self._chunks = ChunkReader(self._inspector) if is_chunked else None
        self._data = (
            None
            if is_chunked
            else DataReader(self._inspector, normalizes=options.normalize_line_ends)
        )
        self.is_last_chunk = not is_chunked

    def start_chunk(self, size: int, *, is_last: bool) -> None:
        """Expect a chunk of ``size`` octets next."""
        if self._chunks is not None:
            self._chunks.start(size)
        self.is_last_chunk = is_last

    @property
    def is_chunk_complete(self) -> bool:
        """Whether the current chunk is complete, as it is at once when its size is 0."""
        return self._chunks is not None and self._chunks.is_complete

    def read(self, lines: LineReader) -> bool:
        """Consume the input; return whether the content, or the current chunk, has ended."""
        if self._data is not None:
            return self._data.read(lines)
        if self._chunks is None or not self._chunks.read(lines):
            return False
        if self.is_last_chunk:
            self._chunks.finish()
        return True

    def take(self, *, is_last: bool) -> bytes:
        """Return the next piece of the content, or nothing while it is small."""
        return self._inspector.take(is_last=is_last)

    @property
    def fault(self) -> Reply | None:
        """Why the content is refused, if it is."""
        return self._inspector.fault

    @property
    def facts(self) -> ContentFacts:
        """What was observed."""
        return self._inspector.facts

    @property
    def is_excessive(self) -> bool:
        """Whether so much has arrived that its end is not worth waiting for."""
        return self._inspector.received > self._excess_limit
