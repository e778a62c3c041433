"""The client side of an SMTP or LMTP connection, without I/O.

The driver writes what ``data_to_send`` returns, feeds what arrives to ``receive_data`` and
takes events::

    connection.receive_data(octets)
    while (event := connection.next_event()) is not None:
        ...
    transport.write(connection.data_to_send())

Guarantees: nothing a server sends raises; no reply is mistaken for the answer to another
command than its own (RFC 2920 §3.1); no command is written before its time (RFC 5321 §4.1.4);
after a violation, 421 or the end of the connection nothing more is read or written.
Calling an action out of turn is a defect of the driver and raises ``RuntimeError``.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from pillarbox.smtp.client_authentication import CANCEL, ClientExchange
from pillarbox.smtp.client_conversation import Conversation
from pillarbox.smtp.client_events import (
    ClientEvent,
    CommandAnswered,
    ConnectionEnded,
    ContentWanted,
    MessageSettled,
)
from pillarbox.smtp.client_extensions import Extensions, read_extensions
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.client_plan import plan
from pillarbox.smtp.client_replies import ReplyReader
from pillarbox.smtp.client_sending import Patience, Sending
from pillarbox.smtp.client_states import NEXT_STATE, State, Step
from pillarbox.smtp.envelope import Envelope
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.mechanism import ClientSetting
from pillarbox.smtp.sasl.registry import MECHANISMS, Trait
from pillarbox.smtp.sasl.selection import Login, choose_mechanism

__all__ = ["MAX_SMALL_CONTENT", "ClientConnection"]

MAX_SMALL_CONTENT: Final = 64 * 1024
"""Octets up to which a content goes with its commands in one flight (RFC 3030)."""

_SERVICE_CLOSING: Final = 421  # RFC 5321 §3.8
_CONTINUE: Final = 334  # RFC 4954 §4
_MECHANISM_REFUSED: Final = frozenset({504, 534})  # RFC 4954 §4, §6: another one may do
_NO_EHLO: Final = frozenset({500, 501, 502, 504})  # RFC 5321 §3.2: then HELO may do

_HELLO_NAME: Final = re.compile(r"[!-~]+")

_STAGES: Final[dict[State, Stage]] = {
    State.CONNECTED: Stage.GREETING,
    State.GREETED: Stage.HELLO,
    State.HELLO_SENT: Stage.HELLO,
    State.STARTTLS_SENT: Stage.TLS,
    State.HANDSHAKE: Stage.TLS,
    State.AUTH_SENT: Stage.AUTH,
}

# The states in which a reply is awaited, outside of a transaction.
_WAITING: Final = frozenset(
    {
        State.CONNECTED,
        State.HELLO_SENT,
        State.STARTTLS_SENT,
        State.AUTH_SENT,
        State.QUIT_SENT,
    }
)
_BEFORE_TLS: Final = "the server sent data in the clear between STARTTLS and TLS"


class ClientConnection:
    """One connection to a server, from its greeting to its end.

    Args:
        hello_name: Name to greet with.
        is_lmtp: Speak LMTP (RFC 2033): LHLO, and a reply for each recipient at the end.
        is_secure: TLS was there before the first octet (RFC 8314 §3.3).
        use_chunking: Use BDAT where it is offered.
    """

    def __init__(
        self,
        hello_name: str,
        *,
        is_lmtp: bool = False,
        is_secure: bool = False,
        use_chunking: bool = True,
    ) -> None:
        if not _HELLO_NAME.fullmatch(hello_name):
            raise ValueError(f"{hello_name!r} is no name to greet with")
        self.state = State.CONNECTED
        self.greeting: Reply | None = None
        self.extensions = Extensions()
        self.is_secure = is_secure
        self.answers = 0  # replies so far; time-outs start anew with each
        self.record = Conversation()  # what was said outside of transactions
        self._hello_name = hello_name
        self._is_lmtp = is_lmtp
        self._use_chunking = use_chunking
        self._reader = ReplyReader()
        self._events: deque[ClientEvent] = deque()
        self._out: list[bytes] = []
        self._sending: Sending | None = None
        self._needs_reset = False
        self._said_helo = False
        self._exchange: ClientExchange | None = None
        self._refused_mechanisms: set[str] = set()

    # --- what the driver asks -------------------------------------------------------

    def next_event(self) -> ClientEvent | None:
        """Return the oldest event not yet taken, None when there is none."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        """Return the octets to write now, and forget them."""
        out = self._out
        if not out:
            return b""
        self._out = []
        return out[0] if len(out) == 1 else b"".join(out)

    @property
    def is_ready(self) -> bool:
        """Whether the connection can take a message."""
        return self.state is State.READY

    @property
    def is_closed(self) -> bool:
        """Whether the connection can no longer be used."""
        return self.state is State.CLOSED

    @property
    def wants_content(self) -> bool:
        """Whether the server waits for (more of) the content."""
        return self._sending is not None and self._sending.wants_content

    @property
    def patience(self) -> Patience | None:
        """What is waited for, None while the connection is idle."""
        if self._sending is not None:
            return self._sending.patience
        if self.state is State.CONNECTED:
            return Patience.GREETING
        return Patience.COMMAND if self.state in _WAITING else None

    @property
    def stage(self) -> Stage:
        """How far the connection has come."""
        if self._sending is not None:
            return self._sending.stage
        return _STAGES.get(self.state, Stage.MAIL)

    def mechanism_for(self, login: Login) -> str | None:
        """Return the SASL mechanism that ``authenticate`` will use, None if there is none.

        One that the server has refused to go on with is not used again.
        """
        return choose_mechanism(
            login,
            self.extensions.auth,
            is_secure=self.is_secure,
            refused=self._refused_mechanisms,
        )

    @property
    def login_failure(self) -> str:
        """Why the last login failed, beyond the server's reply; "" if that says it all."""
        return "" if self._exchange is None else self._exchange.failure

    # --- what the driver does -------------------------------------------------------

    def hello(self) -> None:
        """Greet with EHLO or LHLO; falls back to HELO where the server is that old."""
        self._step(Step.HELLO)
        self._said_helo = False
        self._say(f"{'LHLO' if self._is_lmtp else 'EHLO'} {self._hello_name}\r\n".encode())

    def start_tls(self) -> None:
        """Ask for TLS (RFC 3207 §4)."""
        self._step(Step.STARTTLS)
        self._say(b"STARTTLS\r\n")

    def tls_started(self) -> None:
        """Take note that TLS is there: the server is to be greeted again (RFC 3207 §4.2)."""
        self._step(Step.TLS_STARTED)
        self.is_secure = True
        self.extensions = Extensions()

    def authenticate(self, login: Login, nonce: str = "") -> None:
        """Log in by the mechanism that ``mechanism_for`` returns.

        Args:
            login: On which terms; its secrets are kept out of the conversation.
            nonce: Random, for this call alone; printable ASCII without a comma.
        """
        mechanism = self.mechanism_for(login)
        if mechanism is None:
            raise RuntimeError("no mechanism to log in with")
        self._step(Step.AUTH)
        offered = self.extensions.auth
        setting = ClientSetting(
            user=login.user,
            password=login.password,
            token=login.token,
            nonce=nonce,
            channel_binding=login.channel_binding,
            offers_binding=any(
                name in offered for name, each in MECHANISMS.items() if each.trait is Trait.BINDS
            ),
            host=login.host,
            port=login.port,
        )
        machine = MECHANISMS[mechanism].client(setting)
        exchange = ClientExchange(mechanism, machine, login.password, login.token)
        self._exchange = exchange
        command, shows_secret = exchange.command()
        self.record.sent(f"AUTH {mechanism}{' ***' if shows_secret else ''}".encode())
        self._out.append(command)

    def send(
        self, envelope: Envelope, size: int, octets: bytes | None, *, has_8bit: bool = False
    ) -> None:
        """Start a transaction; ``MessageSettled`` ends it.

        Args:
            envelope: Who it is from and for.
            size: Octets of the content.
            octets: The content, if it is at most ``MAX_SMALL_CONTENT``; None asks for it by
                ``ContentWanted``.
            has_8bit: Whether the content holds octets over 127.
        """
        self._step(Step.SEND)
        offered = self.extensions
        layout = plan(
            envelope, size, offered, has_8bit=has_8bit, octets=octets, is_lmtp=self._is_lmtp
        )
        sending = self._sending = Sending(
            layout,
            octets,
            size,
            offered,
            is_lmtp=self._is_lmtp,
            use_chunking=self._use_chunking,
            needs_reset=self._needs_reset,
        )
        self._take(sending)

    def send_content(self, octets: bytes) -> None:
        """Send a piece of the content; without effect when it is no longer wanted."""
        sending = self._sending
        if sending is not None and sending.wants_content:
            sending.send_content(octets)
            self._take(sending)

    def end_content(self) -> None:
        """Say that the content is complete; without effect when it is no longer wanted."""
        sending = self._sending
        if sending is not None and sending.wants_content:
            sending.end_content()
            self._take(sending)

    def quit(self) -> None:
        """Say goodbye (RFC 5321 §4.1.1.10)."""
        self._step(Step.QUIT)
        self._say(b"QUIT\r\n")

    def fail(self, reason: str, *, is_all_written: bool = True) -> None:
        """End the connection: it was lost or closed, or the time is up.

        Args:
            reason: Half a sentence for people.
            is_all_written: Whether the peer can have got all that ``data_to_send`` returned.
                If not, no outcome is uncertain.
        """
        if self._sending is not None and not is_all_written:
            self._sending.fail(reason, is_all_written=False)
        self._end(reason)

    # --- what the server says -------------------------------------------------------

    def receive_data(self, octets: bytes) -> None:
        """Take what arrived."""
        if self.is_closed:
            return
        if self._is_in(State.HANDSHAKE):
            self._end(_BEFORE_TLS)
            return
        replies = self._reader.feed(octets)
        if replies:
            if self._exchange is not None:
                replies = list(map(self._exchange.masked, replies))
            self.answers += len(replies)
            record = self.record if self._sending is None else self._sending.record
            record.received(replies)
            for reply in replies:
                self._receive_reply(reply)
                if self._is_in(State.CLOSED):
                    return
        if self._reader.violation:
            self._end(f"the server {self._reader.violation}")
        elif self._is_in(State.HANDSHAKE) and self._reader.has_partial:
            self._end(_BEFORE_TLS)

    def _receive_reply(self, reply: Reply) -> None:
        if reply.code == _SERVICE_CLOSING:
            self._on_closing(reply)
        elif self._sending is not None:
            sending = self._sending
            sending.receive_reply(reply)
            # Most replies of a flight lead to nothing before its last one.
            if sending.has_news:
                self._take(sending)
        elif self.state is State.HANDSHAKE:
            self._end(_BEFORE_TLS)
        elif self.state not in _WAITING:
            self._end(f'the server sent a reply nobody waits for: "{reply}"')
        else:
            self._on_answer(reply)

    def _on_answer(self, reply: Reply) -> None:
        """Take the answer to a command outside of a transaction."""
        state = self.state
        if state is State.AUTH_SENT and reply.code == _CONTINUE:
            return self._respond(reply)
        if reply.code // 100 == 3 and state is not State.QUIT_SENT:  # noqa: PLR2004 - RFC 5321 §4.2.1
            return self._end(f'the server answered in state {state.value} with "{reply}"')
        if state is State.HELLO_SENT and not self._on_hello(reply):
            return None
        if state is State.AUTH_SENT and not self._on_login(reply):
            return None
        self._step(Step.YES if reply.is_positive else Step.NO)
        if state is State.CONNECTED:
            self.greeting = reply
        if state is State.QUIT_SENT:
            self._events.append(ConnectionEnded("closed by QUIT", is_orderly=True))
        else:
            self._events.append(CommandAnswered(_STAGES[state], reply))
        return None

    def _on_hello(self, reply: Reply) -> bool:
        """Keep the extensions; return whether this was the last word on the greeting."""
        if reply.is_positive:
            self.extensions = (
                Extensions(name=reply.text.partition(" ")[0])
                if self._said_helo
                else read_extensions(reply)
            )
        elif reply.code in _NO_EHLO and not (self._said_helo or self._is_lmtp):
            self._said_helo = True
            self._say(f"HELO {self._hello_name}\r\n".encode())
            return False
        return True

    def _respond(self, reply: Reply) -> None:
        """Answer a challenge, or cancel the exchange over one that makes no sense."""
        exchange = self._exchange
        if exchange is None or exchange.is_canceled:
            self._end("the server goes on with AUTH after it was canceled")
            return
        line = exchange.respond(reply)
        self.record.sent(line if line == CANCEL else b"***")
        self._out.append(line)

    def _on_login(self, reply: Reply) -> bool:
        """Judge the end of AUTH; return whether the connection can go on."""
        exchange = self._exchange
        if exchange is None:
            return False
        if reply.is_positive and not exchange.is_finished:
            self._end(exchange.failure or "the server has not proved that it knows the password")
            return False
        if reply.code in _MECHANISM_REFUSED:
            self._refused_mechanisms.add(exchange.mechanism)
        return True

    def _on_closing(self, reply: Reply) -> None:
        """Take 421, which can come at any time."""
        sending, state = self._sending, self.state
        if sending is not None:
            sending.close(reply)
            self._take(sending)
            return
        if state in _STAGES and state in _WAITING:
            self.state = State.CLOSED
            self._events.append(CommandAnswered(_STAGES[state], reply))
        self._end(f"the server closed the connection: {reply}", reply)

    # --- inside ---------------------------------------------------------------------

    def _say(self, command: bytes) -> None:
        self.record.sent(command)
        self._out.append(command)

    def _is_in(self, state: State) -> bool:
        return self.state is state

    def _step(self, step: Step) -> None:
        following = NEXT_STATE.get((self.state, step))
        if following is None:
            raise RuntimeError(f"{step.value} cannot follow in state {self.state.value}")
        self.state = following

    def _take(self, sending: Sending) -> None:
        """Pass on what the transaction has to say, to the server and to the driver."""
        if sending.data_to_send:
            self._out += sending.data_to_send
            sending.data_to_send.clear()
        if sending.wants_content and not sending.is_announced:
            sending.is_announced = True
            self._events.append(ContentWanted())
        if not sending.is_settled:
            return
        self._sending = None
        self._needs_reset = sending.needs_reset
        self._step(Step.SETTLED)
        self._events.append(
            MessageSettled(
                outcomes=sending.outcomes,
                is_reusable=not sending.unusable,
                dsn_passed_on=self.extensions.dsn,
                conversation=sending.record,
                chunking_failed=sending.chunking_failed,
            )
        )
        if sending.unusable:
            self._end(sending.unusable, sending.closing_reply)

    def _end(self, reason: str, reply: Reply | None = None) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.fail(reason)
            self._take(sending)
            return
        if self.state is not State.CLOSED or reply is not None:
            self.record.note(reason)
            self._events.append(ConnectionEnded(reason, reply))
        self.state = State.CLOSED
        self._out.clear()
