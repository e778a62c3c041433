"""A server connection that reports the dialog to an observer, line by line.

For listeners whose sessions are shown to people. What a client says in confidence (AUTH and its
exchange) is reported without the secret. The usual connection knows nothing of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from pillarbox.smtp import events, replies
from pillarbox.smtp.lines import LineReader
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.server import ServerConnection
from pillarbox.smtp.server_core import Reading
from pillarbox.smtp.session import Verb

__all__ = ["ObservedServerConnection", "SessionObserver"]

_VERBS: Final = frozenset(verb.value.split()[0].encode() for verb in Verb)
# A command with a secret behind it, however it is spaced; PASS is POP3's, of who is out of step.
_SECRET: Final = re.compile(
    rb"([ \t]*+(?:AUTH[ \t]++[^ \t]++|PASS))[ \t]++.++", re.IGNORECASE | re.DOTALL
)
_AUTH: Final = re.compile(rb"AUTH ", re.IGNORECASE)
_HIDDEN: Final = b"****"
_MALFORMED: Final = b"(a line that is too long, or not a line of text)"


class SessionObserver(Protocol):
    """Observes one session. It must be quick, and must not hoard."""

    def said(self, line: bytes) -> None:
        """Observe a command or a response, without its line end, secrets masked."""
        ...

    def replied(self, reply: Reply) -> None:
        """Observe a reply."""
        ...

    def brought(self, octets: bytes) -> None:
        """Observe a piece of a content."""
        ...

    def ended(self) -> None:
        """Observe the end of a content."""
        ...


class ObservedServerConnection(ServerConnection):
    """A ``ServerConnection`` with an observer."""

    def __init__(self, options: ServerOptions, observer: SessionObserver) -> None:
        super().__init__(options)
        self._observer = observer
        self._lines = _ObservedLines(options, observer, self._is_confidential)

    def next_event(self) -> events.ServerEvent | None:
        """Return the next event; the observer sees a content before anybody decides."""
        event = super().next_event()
        if isinstance(event, events.ContentReceived):
            self._observer.brought(event.data)
        elif isinstance(event, events.MessageEnded):
            self._observer.ended()
        return event

    def time_out(self, reply: Reply = replies.TIMED_OUT) -> None:
        """End the session now, whatever is in progress."""
        if not self.is_over:
            self._observer.replied(reply)
        super().time_out(reply)

    def _send(self, reply: Reply, reason: str = "closed by us") -> None:
        self._observer.replied(reply)
        super()._send(reply, reason)

    def _is_confidential(self, line: bytes) -> bool:
        if self._reading is Reading.RESPONSE:
            return True
        # A client that is out of step may send its password in place of a command.
        return self._hides_commands and line.split(b" ", 1)[0].upper() not in _VERBS


class _ObservedLines(LineReader):
    """A line reader that reports each line."""

    __slots__ = ("_is_confidential", "_observer")

    def __init__(
        self,
        options: ServerOptions,
        observer: SessionObserver,
        is_confidential: Callable[[bytes], bool],
    ) -> None:
        super().__init__(accepts_bare_lf=options.accept_bare_lf_commands)
        self._observer = observer
        self._is_confidential = is_confidential

    def take_line(
        self, limit: int, too_long: Reply = replies.COMMAND_LINE_TOO_LONG
    ) -> bytes | None:
        """Return the next line; report it to the observer, or that there was none."""
        try:
            line = super().take_line(limit, too_long)
        except RefusedError:
            self._observer.said(_MALFORMED)
            raise
        if line is not None:
            self._observer.said(self._told(line))
        return line

    def _told(self, line: bytes) -> bytes:
        secret = _SECRET.fullmatch(line)
        if secret is not None:
            return b"%b %b" % (secret[1], _HIDDEN)
        if _AUTH.match(line) is not None:
            return line
        if self._is_confidential(line):
            return b"*" if line == b"*" else _HIDDEN
        return line
