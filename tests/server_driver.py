"""A driver of ``ServerConnection`` that says yes to everything, and what it has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.users import CHANNEL_BINDING, verifier

from pillarbox.smtp import events
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.server import ServerConnection, ServerOptions

OPTIONS = ServerOptions(
    hostname="mx.local.test",
    starttls=True,
    auth_mechanisms=("PLAIN", "LOGIN"),
    auth_before_tls=True,
)

Judge = Callable[[events.ServerEvent], Reply | None]


def _yes(_: events.ServerEvent) -> None:
    return None


class Driver:
    """Feeds a connection; ``judge`` returns a reply to refuse a question with, or None."""

    def __init__(self, options: ServerOptions = OPTIONS, judge: Judge = _yes) -> None:
        self.connection = ServerConnection(options)
        self.judge = judge
        self.events: list[events.ServerEvent] = []
        self.sent = b""
        self.content = b""
        self.messages: list[bytes] = []

    def greet(self) -> Driver:
        """Send the greeting."""
        self.connection.greet()
        self.pump()
        return self

    def feed(self, octets: bytes) -> bytes:
        """Give octets to the connection; return what it sends."""
        self.connection.receive_data(octets)
        return self.pump()

    def feed_all(self, pieces: Iterable[bytes]) -> None:
        """Give octets in pieces."""
        for piece in pieces:
            self.feed(piece)

    def end_input(self) -> bytes:
        """Tell the connection that the client sends no more."""
        self.connection.receive_eof()
        return self.pump()

    def pump(self) -> bytes:
        """Answer every event; return what is to be sent."""
        while (event := self.connection.next_event()) is not None:
            self._see(event)
        octets = self.connection.data_to_send()
        self.sent += octets
        return octets

    def _see(self, event: events.ServerEvent) -> None:
        if isinstance(event, events.ContentReceived):
            self.content += event.data
            return
        self.events.append(event)
        if isinstance(event, events.ContentDiscarded):
            self.content = b""
        if not isinstance(event, _QUESTIONS):
            return
        if isinstance(event, events.AuthLookup):
            self.connection.supply(verifier(event.request))
            return
        reply = self.judge(event)
        if isinstance(event, events.MessageEnded):
            if reply is None:
                self.messages.append(self.content)
            self.content = b""
        if reply is None:
            self.connection.accept()
        else:
            self.connection.refuse(reply)
        if reply is None and isinstance(event, events.TlsRequested):
            self.sent += self.connection.data_to_send()
            self.connection.tls_started(CHANNEL_BINDING)

    @property
    def codes(self) -> list[str]:
        """The reply codes sent so far, with enhanced codes, one for each reply."""
        return [
            code
            for line in self.sent.decode().splitlines()
            if line[3:4] == " " and (code := _code(line))
        ]


_QUESTIONS = (
    events.HelloReceived,
    events.TlsRequested,
    events.AuthAttempted,
    events.AuthLookup,
    events.MailReceived,
    events.RecipientReceived,
    events.ContentStarted,
    events.MessageEnded,
    events.VerifyReceived,
)


def _code(line: str) -> str:
    words = line.split(" ")
    has_enhanced = len(words) > 1 and words[1].count(".") == 2 and words[1][0] == words[0][0]
    return " ".join(words[:2]) if has_enhanced else words[0]
