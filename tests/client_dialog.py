"""Play a dialog, written as text, against the pure client connection.

``S:`` lines are what the server says, each with CRLF behind it, ``C:`` lines what the client
must say. Neighboring ``S:`` lines arrive in one segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client import ClientConnection
from pillarbox.smtp.client_events import (
    CommandAnswered,
    ConnectionEnded,
    ContentWanted,
    MessageSettled,
)
from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.smtp.sasl.selection import Login

CONTENT = b"Subject: hi\r\n\r\nHello.\r\n"


def mailbox(text: str) -> Mailbox:
    """Return ``local@domain`` as a value."""
    local, _, domain = text.rpartition("@")
    return Mailbox(local, domain)


def envelope(*recipients: str, sender: str | None = "a@a.example", **more: object) -> Envelope:
    """Return an envelope for addresses."""
    return Envelope(
        reverse_path=mailbox(sender) if sender else None,
        recipients=tuple(Recipient(mailbox(address)) for address in recipients or ("b@b.example",)),
        **more,  # type: ignore[arg-type]
    )


@dataclass
class Driver:
    """Does what a driver does, and keeps what happened."""

    connection: ClientConnection
    envelope: Envelope = field(default_factory=envelope)
    content: bytes = CONTENT
    pieces: tuple[bytes, ...] = ()  # the content, if it is to be asked for
    has_8bit: bool = False
    starttls: bool = False
    login: Login | None = None
    nonce: str = ""
    messages: int = 1
    answers: list[CommandAnswered] = field(default_factory=list)
    settled: list[MessageSettled] = field(default_factory=list)
    ended: ConnectionEnded | None = None

    @property
    def outcomes(self) -> tuple[RecipientOutcome, ...]:
        """The outcomes of the first message."""
        return self.settled[0].outcomes

    def receive(self, octets: bytes) -> bytes:
        """Feed octets, react to the events, and return what the client sends."""
        self.connection.receive_data(octets)
        while (event := self.connection.next_event()) is not None:
            self.react(event)
        return self.connection.data_to_send()

    def react(self, event: object) -> None:
        """Do what is due after an event."""
        connection = self.connection
        match event:
            case CommandAnswered(stage, reply):
                self.answers.append(event)
                if reply.is_positive and not connection.is_closed:
                    self.go_on(stage)
            case ContentWanted():
                for piece in self.pieces:
                    connection.send_content(piece)
                connection.end_content()
            case MessageSettled():
                self.settled.append(event)
                if event.is_reusable and len(self.settled) < self.messages:
                    self.send()
            case ConnectionEnded():
                self.ended = event

    def go_on(self, stage: Stage) -> None:
        """Take the next step of opening a connection."""
        connection = self.connection
        if stage is Stage.GREETING:
            connection.hello()
        elif stage is Stage.TLS:
            connection.tls_started()
            connection.hello()
        elif self.starttls and not connection.is_secure:
            connection.start_tls()
        elif self.login and stage is Stage.HELLO:
            connection.authenticate(self.login, self.nonce)
        else:
            self.send()

    def send(self) -> None:
        """Start the message."""
        octets = None if self.pieces else self.content
        size = sum(map(len, self.pieces)) if self.pieces else len(self.content)
        self.connection.send(self.envelope, size, octets, has_8bit=self.has_8bit)


def blocks(script: str) -> Iterator[tuple[str, bytes]]:
    """Yield the speaker and the octets of each run of lines."""
    speaker, said = "", b""
    for line in filter(str.strip, script.splitlines()):
        who, _, text = line.strip().partition(":")
        if who != speaker and speaker:
            yield speaker, said
            said = b""
        speaker = who
        said += text.removeprefix(" ").encode() + b"\r\n"
    if speaker:
        yield speaker, said


def play(
    script: str, driver: Driver, *, split: Callable[[bytes], list[bytes]] | None = None
) -> Driver:
    """Play a dialog; fail where the client says something else."""
    sent = b""
    for speaker, octets in blocks(script):
        if speaker == "S":
            assert sent == b"", f"the client says more: {sent!r}"
            for piece in split(octets) if split else [octets]:
                sent += driver.receive(piece)
        else:
            assert sent == octets, f"the client says: {sent!r}"
            sent = b""
    assert sent == b"", f"the client says more: {sent!r}"
    return driver


def play_from_ready(
    script: str, driver: Driver, *offered: str, split: Callable[[bytes], list[bytes]] | None = None
) -> Driver:
    """Play a dialog that starts behind EHLO, with a server that offers these extensions."""
    hello = "".join(f"S: 250-{keyword}\n" for keyword in offered)
    opening = f"S: 220 mx.test\nC: EHLO client.test\nS: 250-mx.test\n{hello}S: 250 HELP\n"
    return play(opening + script, driver, split=split)
