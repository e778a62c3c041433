"""The log: events written as lines, JSON or text, to a file or to standard error.

Guarantees: accepting an event never blocks on the disk and never raises; lines are buffered and
written together, ``FLUSH_SECONDS`` after the first of them or when ``FLUSH_OCTETS`` are waiting.
A line is written completely or not at all, and in order. While the file cannot be written (a full
disk, a broken pipe), at most ``BACKLOG_OCTETS`` are buffered for the next try; what does not fit is
counted, and the count is written once there is room again.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.events.encode import encode
from pillarbox.events.text import show_event
from pillarbox.events.types import (
    AttemptMade,
    AuthRefused,
    CertificateExpires,
    CertificateNotFetched,
    CommandRefused,
    ConfigurationReloaded,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    DefectFound,
    DkimKeyChanged,
    Event,
    EventsDropped,
    MessageDamaged,
    MessageRefused,
    RecipientBounced,
    RecipientHeld,
    RecipientUncertain,
    SenderRefused,
    SiteBackedOff,
    StoreFailed,
    TlsNegotiated,
)

__all__ = ["BACKLOG_OCTETS", "FLUSH_OCTETS", "FLUSH_SECONDS", "LogLevel", "LogWriter"]

FLUSH_SECONDS: Final = 0.02
FLUSH_OCTETS: Final = 256 * 1024
BACKLOG_OCTETS: Final = 4 * 1024 * 1024


class LogLevel(IntEnum):
    """How much is written; a higher level leaves more out."""

    ALL = 0
    NOTICE = 1  # no routine connections, no conversations of attempts
    WARNING = 2  # what may need attention


_ROUTINE: Final = frozenset({ConnectionOpened, ConnectionClosed, TlsNegotiated, AttemptMade})
_WARNINGS: Final = frozenset(
    {
        AuthRefused,
        CertificateExpires,
        CertificateNotFetched,
        CommandRefused,
        ConnectionRefused,
        DefectFound,
        DkimKeyChanged,
        MessageDamaged,
        MessageRefused,
        RecipientBounced,
        RecipientHeld,
        RecipientUncertain,
        SenderRefused,
        SiteBackedOff,
        StoreFailed,
    }
)


def _level_of(event: Event) -> LogLevel:
    kind = type(event)
    if kind in _WARNINGS or (isinstance(event, ConfigurationReloaded) and event.error):
        return LogLevel.WARNING
    return LogLevel.ALL if kind in _ROUTINE else LogLevel.NOTICE


def _text_line(event: Event) -> bytes:
    return show_event(event).encode()


def _how_to_write(descriptor: int) -> tuple[select.poll | None, int]:
    """Return a test for whether a write would block, and how much to write at once.

    A regular file takes all at once. A pipe or a terminal that is ready takes PIPE_BUF
    octets without blocking; its reader may have stopped reading.
    """
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None, FLUSH_OCTETS
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll, select.PIPE_BUF


class LogWriter:
    """Writes events to a file, or to standard error, without holding up the event loop.

    It is a ``Sink``: call it with an event. Outside of a running event loop it writes at
    once, so that what happens before the loop runs and after it ends is logged as well.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        is_json: bool = True,
        level: LogLevel = LogLevel.ALL,
    ) -> None:
        """Open the log.

        Args:
            path: The file to append to, made with mode 0640; None for standard error.
            is_json: Whether a line is a JSON object; otherwise it is text for people.
            level: The log level.

        Raises:
            PermanentError: The file cannot be opened.
        """
        self._path = path
        self._is_json = is_json
        self._line: Callable[[Event], bytes] = encode if is_json else _text_line
        self._level = level
        self._waiting: list[bytes] = []
        self._octets = 0
        self._dropped = 0
        self._dropped_at = 0.0
        self._is_stuck = False
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor = self._open()
        self._poll, self._piece = _how_to_write(self._descriptor)

    @property
    def dropped(self) -> int:
        """How many events were dropped because the log could not be written."""
        return self._dropped

    def __call__(self, event: Event, encoded: bytes | None = None) -> None:
        """Take an event; it is written within ``FLUSH_SECONDS``.

        Args:
            event: What happened.
            encoded: The result of ``encode``, if the caller already has it.
        """
        if self._level and _level_of(event) < self._level:
            return
        line = encoded if encoded is not None and self._is_json else self._line(event)
        if self._octets + len(line) >= BACKLOG_OCTETS:
            self._dropped += 1
            self._dropped_at = event.at
            return
        self._waiting.append(line)
        self._octets += len(line) + 1
        if self._octets >= FLUSH_OCTETS and not self._is_stuck:
            self.flush()
        if self._waiting and self._timer is None:
            self._schedule()

    def flush(self) -> None:
        """Write the buffer; what cannot be written now stays for the next time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        waiting = b"\n".join([*self._waiting, b""])
        written = self._write(waiting)
        self._is_stuck = written < len(waiting)
        if self._is_stuck:
            self._keep_rest(waiting[written:])
            return
        self._waiting.clear()
        self._octets = 0
        if self._dropped:
            self._tell_dropped()

    def succeed(self, before: LogWriter) -> None:
        """Replace another log, which is closed: after a rotation, or with new settings."""
        before.flush()
        self._waiting = before._waiting + self._waiting
        self._octets += before._octets
        self._dropped += before._dropped
        self._dropped_at = before._dropped_at
        before._waiting, before._octets = [], 0
        before.close()
        self.flush()

    def close(self) -> None:
        """Write the buffer and close the file. Safe to call twice."""
        self.flush()
        if self._path is not None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> int:
        if self._path is None:
            return sys.stderr.fileno()
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise PermanentError(f"the log {self._path} cannot be opened: {error}") from None

    def _schedule(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        self._timer = loop.call_later(FLUSH_SECONDS, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self.flush()
        if self._waiting:
            self._schedule()

    def _write(self, octets: bytes) -> int:
        """Return how many octets were written; the rest is not worth waiting for."""
        view = memoryview(octets)
        written = 0
        while written < len(octets):
            if self._poll is not None and not self._poll.poll(0):
                break
            try:
                written += os.write(self._descriptor, view[written : written + self._piece])
            except OSError:
                break
        return written

    def _keep_rest(self, rest: bytes) -> None:
        # The rest may begin inside a line; it goes out as it is, so that the line is whole.
        self._waiting = [rest[:-1]]
        self._octets = len(rest)

    def _tell_dropped(self) -> None:
        event = EventsDropped(at=self._dropped_at, count=self._dropped)
        self._dropped = 0
        self._waiting.append(self._line(event))
        self._octets = len(self._waiting[0]) + 1
        self.flush()
