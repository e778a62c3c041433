"""Records SMTP sessions while they happen, at little cost, for people to read later.

During a session the raw lines are stored as they are; they become a transcript when somebody looks,
or when the session has ended. Each recording retains its beginning and its end; sessions that
brought no mail stay in memory for a while, which is where people look when nothing arrives.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

from pillarbox.events.types import (
    AuthAccepted,
    AuthRefused,
    ConnectionClosed,
    Event,
    FailureChosen,
    MessageAccepted,
    MessageRefused,
    RecipientRefused,
    SenderRefused,
    Sink,
    TlsNegotiated,
)
from pillarbox.sandbox.transcript import (
    CONTENT_OCTETS,
    HEAD,
    TAIL,
    Entry,
    Record,
    Transcript,
    encode,
    transcribe,
)
from pillarbox.smtp.reply import Reply

__all__ = ["Book", "Recording"]

_MOST_WITHOUT_MAIL: Final = 100  # sessions that brought nothing, kept in memory
_MOST_FINISHED: Final = 2_000  # sessions that wait to be written; older ones are forgotten
_QUIET_REASONS: Final = frozenset({"quit"})
_WITHOUT_A_WORD: Final = frozenset({"lost", "end of input"})


class Recording:
    """One session (``smtp.observed.SessionObserver``)."""

    __slots__ = (
        "_beginning",
        "_count",
        "_head",
        "_is_data",
        "_now",
        "_size",
        "_tail",
        "client",
        "has_mail",
        "is_silent",
        "listener",
        "session",
        "started_at",
    )

    def __init__(self, session: str, client: str, listener: str, now: Callable[[], float]) -> None:
        """Begin; ``now`` is the wall clock."""
        self.session = session
        self.client = client
        self.listener = listener
        self.has_mail = False
        self.is_silent = True  # the client has said nothing yet
        self.started_at = now()
        self._now = now
        self._head: list[Entry] = []
        self._tail: deque[Entry] = deque(maxlen=TAIL)
        self._count = 0
        self._beginning = b""  # of the content that comes in
        self._size = 0
        self._is_data = False

    def said(self, line: bytes) -> None:
        """Record a command or a response."""
        self.is_silent = False
        self._is_data = len(line) == 4 and line.upper() == b"DATA"  # noqa: PLR2004 - its length
        self._add("C", line)

    def replied(self, reply: Reply) -> None:
        """Record a reply."""
        self._add("S", reply)

    def brought(self, octets: bytes) -> None:
        """Record a piece of a content, of which only the beginning is stored."""
        if not self._size:
            self._beginning = octets[:CONTENT_OCTETS]
        self._size += len(octets)

    def ended(self) -> None:
        """Record that a content has ended."""
        self._add(".", (self._beginning, self._size, self._is_data))
        self._beginning, self._size = b"", 0

    def note(self, text: str) -> None:
        """Record an event that nobody said."""
        self._add("-", text)

    def closed(self, reason: str) -> None:
        """Record the end of the connection."""
        if self._size:
            self._add(".", (self._beginning, self._size, False))
            self._size = 0
        if reason not in _QUIET_REASONS:
            self._add("-", f"connection ended: {reason}")

    def record(self) -> Record:
        """Return what has been recorded so far."""
        entries = (*self._head, *self._tail)
        return Record(
            session=self.session,
            client=self.client,
            listener=self.listener,
            started_at=self.started_at,
            # The octets of a reply are put together when it is sent, once for all clients.
            entries=tuple(
                (at, direction, what.wire() if direction == "S" else what)
                for at, direction, what in entries
            ),
            left_out=self._count - len(entries),
        )

    def transcript(self) -> Transcript:
        """Return the same in a form for people."""
        return transcribe(self.record())

    def _add(self, direction: str, what: Any) -> None:
        entries = self._head if self._count < HEAD else self._tail
        entries.append((self._now(), direction, what))
        self._count += 1


class Book:
    """All sessions of the sandbox that are running or have ended recently."""

    def __init__(self, now: Callable[[], float], sink: Sink) -> None:
        """Begin with none.

        Args:
            now: The wall clock.
            sink: Hears every event after the book has.
        """
        self._now = now
        self._sink = sink
        self._running: dict[str, Recording] = {}
        self._finished: OrderedDict[str, Recording] = OrderedDict()  # to be written
        self._without_mail: OrderedDict[str, Recording] = OrderedDict()
        self.caught = 0
        self.caught_octets = 0
        self.refused = 0

    def observe(self, session: str, client: str, listener: str) -> Recording:
        """Begin to record a session."""
        recording = Recording(session, client, listener, self._now)
        self._running[session] = recording
        return recording

    def get(self, session: str) -> Transcript | None:
        """Return a session that is running, waits to be written, or brought no mail."""
        for place in (self._running, self._finished, self._without_mail):
            recording = place.get(session)
            if recording is not None:
                return recording.transcript()
        return None

    def without_mail(self) -> tuple[Transcript, ...]:
        """Return the sessions that brought no mail, the newest first."""
        found = [*self._without_mail.values()]
        found += (each for each in self._running.values() if not (each.has_mail or each.is_silent))
        found.sort(key=lambda each: each.started_at, reverse=True)
        return tuple(each.transcript() for each in found)

    @property
    def has_finished(self) -> bool:
        """Whether a session waits to be written."""
        return bool(self._finished)

    def finished(self) -> dict[str, bytes]:
        """Return the sessions that wait to be written; ``written`` lets go of them."""
        return {name: encode(each.record()) for name, each in self._finished.items()}

    def written(self, sessions: dict[str, bytes]) -> None:
        """Let go of sessions that have been written."""
        for session in sessions:
            self._finished.pop(session, None)

    # --- events ----------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take the events of the listeners."""
        handler = self._HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        self._sink(event)

    def _accepted(self, event: MessageAccepted) -> None:
        self.caught += 1
        self.caught_octets += event.size
        recording = self._running.get(event.session)
        if recording is not None:
            recording.has_mail = True

    def _refused(self, event: Event) -> None:
        del event
        self.refused += 1

    def _tls(self, event: TlsNegotiated) -> None:
        self._note(event.session, f"TLS: {event.version}, {event.cipher}")

    def _logged_in(self, event: AuthAccepted) -> None:
        self._note(event.session, f"logged in as {event.identity} by {event.mechanism}")

    def _not_logged_in(self, event: AuthRefused) -> None:
        who = f" of {event.identity}" if event.identity else ""
        self._note(event.session, f"the login{who} was refused: {event.reason}")

    def _failing(self, event: FailureChosen) -> None:
        self._note(event.session, f"on purpose, {event.why}: {event.what}")

    def _note(self, session: str, text: str) -> None:
        recording = self._running.get(session)
        if recording is not None:
            recording.note(text)

    def _closed(self, event: ConnectionClosed) -> None:
        recording = self._running.pop(event.session, None)
        if recording is None:
            return
        if recording.is_silent and event.reason in _WITHOUT_A_WORD:
            return  # a probe that only looks whether the port is open
        recording.closed(event.reason)
        place, most = self._without_mail, _MOST_WITHOUT_MAIL
        if recording.has_mail:
            place, most = self._finished, _MOST_FINISHED
        place[event.session] = recording
        if len(place) > most:
            place.popitem(last=False)

    _HANDLERS: Final[dict[type, Callable[[Any, Any], None]]] = {
        MessageAccepted: _accepted,
        MessageRefused: _refused,
        RecipientRefused: _refused,
        SenderRefused: _refused,
        TlsNegotiated: _tls,
        AuthAccepted: _logged_in,
        AuthRefused: _not_logged_in,
        FailureChosen: _failing,
        ConnectionClosed: _closed,
    }
