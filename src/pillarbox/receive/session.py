"""One client's connection: its octets, its timeouts, and when to stop reading.

A session drives a ``ServerConnection`` and leaves decisions to a ``Conversation``. It has no task
and one timer, which is rearmed only when it fires: a deadline that moves ahead costs an assignment.
Nothing grows without bound: reading pauses while a decision is open and much has arrived, while the
client does not read its replies, and while the store is behind. RFC 5321 §4.5.3.2.7 (timeouts),
RFC 3207 §4 (STARTTLS).
"""

from __future__ import annotations

import asyncio
import ssl
from enum import Enum
from math import inf
from typing import Final, Protocol, cast

from pillarbox.events.types import ConnectionClosed, ConnectionOpened, TlsNegotiated
from pillarbox.net.channel_binding import server_end_point
from pillarbox.net.reset import reset
from pillarbox.receive.conversation import Conversation
from pillarbox.receive.deadline import Deadline
from pillarbox.receive.failing import converse
from pillarbox.receive.proxy_protocol import MalformedProxyHeader, parse_proxy_header
from pillarbox.receive.refusals import SLOW_CONTENT
from pillarbox.receive.service import Service
from pillarbox.receive.tls_layer import TlsBroken, TlsLayer
from pillarbox.smtp.replies import EARLY_TALKER, TIMED_OUT
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.server import ServerConnection

__all__ = ["ClientSession", "Host"]

_HELD_INPUT: Final = 64 * 1024  # octets that may come while a decision is open
_UNSENT_OUTPUT: Final = 64 * 1024  # octets of replies that a client may leave untaken
_LINGER: Final = 2.0  # seconds in which a client that is turned out can read why


class Phase(Enum):
    """The state of a connection."""

    PROXY = "PROXY header"  # the proxy has to say who the client is
    DELAY = "greeting"  # the greeting is held back to see who talks first
    HANDSHAKE = "TLS handshake"
    OPEN = "command"
    CLOSING = "closing"  # all is said; the client may read it
    CLOSED = "closed"


# Why nothing is read from a client: bits of a number, as flags cost a call each time.
_FOR_DECISION: Final = 1  # a decision is open, and much has come meanwhile
_FOR_REPLIES: Final = 2  # it does not take our replies
_FOR_STORE: Final = 4  # the store is behind with its content


class Host(Protocol):
    """The listener, as its sessions see it."""

    @property
    def is_stressed(self) -> bool:
        """Whether there are so many connections that clients have to hurry."""
        ...

    def admit(self, client: str) -> Reply | None:
        """Count a client's connection, or return why it is turned away."""
        ...

    def opened(self, session: ClientSession) -> None:
        """Note a session that has begun."""
        ...

    def closed(self, session: ClientSession) -> None:
        """Note a session that has ended."""
        ...


_OPEN: Final = Phase.OPEN  # asked for at each command; to look it up in its Enum is a call


class ClientSession(asyncio.Protocol):
    """The driver of one ``ServerConnection``."""

    __slots__ = (
        "_connection",
        "_conversation",
        "_deadline",
        "_expected_by",
        "_held",
        "_host",
        "_input",
        "_is_advancing",
        "_loop",
        "_opened_at",
        "_pauses",
        "_phase",
        "_progressed_at",
        "_reason",
        "_tls",
        "_transport",
        "_why",
        "client",
        "id",
        "is_admitted",
        "service",
    )

    def __init__(self, service: Service, host: Host, client: str, *, is_admitted: bool) -> None:
        """Wait for the transport.

        Args:
            service: What the sessions of this listener share.
            host: The listener.
            client: The peer's address; a proxy's, if one announces its clients.
            is_admitted: Whether the client has been counted. If not, a proxy will name it.
        """
        self.service = service
        self.client = client
        self.is_admitted = is_admitted
        self.id = service.new_session_id()
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._connection: ServerConnection
        self._conversation: Conversation
        self._transport: asyncio.Transport
        self._tls: TlsLayer | None = None
        self._input = b""  # of a PROXY header that is not complete
        self._held = 0
        self._pauses = 0
        self._phase = Phase.PROXY
        self._reason = "lost"
        self._why = ""  # the connection was made to end, more precisely than it knows
        self._is_advancing = False
        self._opened_at = self._loop.time()
        limits = service.limits
        self._expected_by = inf  # outside of a conversation: when the next thing must happen
        self._progressed_at = self._opened_at  # when the client last did something whole
        self._deadline = Deadline(
            self._loop,
            due=self._due,
            expired=self._expire,
            most=min(limits.command_timeout, limits.data_timeout, limits.reply_timeout),
        )

    # --- what the event loop calls ---------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or wait for the proxy to say who the client is."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_UNSENT_OUTPUT)
        self._host.opened(self)
        if self.is_admitted:
            self._begin()
        else:
            self._expect_by(self.service.limits.tls_timeout)

    def data_received(self, data: bytes) -> None:
        """Take octets from the wire."""
        if self._phase is _OPEN and self._tls is None:
            self._receive(data)
        elif self._phase is Phase.OPEN or self._phase is Phase.HANDSHAKE:
            self._receive_encrypted(data)
        elif self._phase is Phase.PROXY:
            self._receive_proxy_header(data)
        elif self._phase is Phase.DELAY:
            self._why = "talked before the greeting"
            self._greet(EARLY_TALKER)

    def eof_received(self) -> bool:
        """Finish what was sent before the client said that it sends no more."""
        if self._phase is not Phase.OPEN:
            return False  # the transport closes
        if self._conversation.waits_for_room:  # for a content that cannot come any more
            return False
        self._connection.receive_eof()
        self._advance()
        return True

    def pause_writing(self) -> None:
        """Stop reading commands from a client that does not read the replies."""
        self._pause(_FOR_REPLIES)
        if self._phase is not Phase.CLOSING:
            limits = self.service.limits
            stressed = self._host.is_stressed
            self._expect_by(limits.stress_timeout if stressed else limits.reply_timeout)

    def resume_writing(self) -> None:
        """Resume reading."""
        self._resume(_FOR_REPLIES)
        if self._phase is Phase.OPEN:
            self._note_progress()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up, and report how the session ended."""
        del exc
        was_begun = self._phase not in {Phase.PROXY, Phase.CLOSED} and self.is_admitted
        self._phase = Phase.CLOSED
        self._deadline.cancel()
        if was_begun:
            self._conversation.lost()
            self._say_closed()
        self._host.closed(self)

    # --- what the conversation calls -------------------------------------------------

    def go_on(self) -> None:
        """Resume after a decision."""
        if self._phase is Phase.OPEN:
            self._held = 0
            self._resume(_FOR_DECISION)
            self._advance()

    def congest(self) -> None:
        """Stop reading until ``relieve``: the store is behind."""
        self._pause(_FOR_STORE)

    def relieve(self) -> None:
        """Resume reading."""
        self._resume(_FOR_STORE)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Start TLS; what is to be sent in the clear has to go first."""
        self._flush()
        self._tls = TlsLayer(context)
        self._phase = Phase.HANDSHAKE
        self._reason = "lost in the TLS handshake"  # by clients that do not trust the certificate
        self._expect_by(self.service.limits.tls_timeout)

    def end(self, reason: str) -> None:
        """Close the connection once everything has been sent."""
        self._flush()
        self._close(self._why or reason, lingers=reason not in {"quit", "end of input"})

    def break_off(self, reason: str, *, resets: bool) -> None:
        """Close the connection abruptly, or reset it."""
        self._flush()
        self._close(reason, lingers=False)
        if resets:
            reset(self._transport)

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS layer of the connection, or None."""
        return self._tls

    # --- what the listener calls -----------------------------------------------------

    def stop(self) -> None:
        """End as soon as no content is arriving and no decision is open (RFC 5321 §3.8)."""
        if self._phase is Phase.OPEN:
            self._connection.shut_down()
            self._advance()
        elif self._phase is not Phase.CLOSING:
            self._abort("shutting down")

    def abort(self) -> None:
        """End at once."""
        self._abort("shutting down")

    def hurry(self) -> None:
        """Shorten the wait for the next command to what stress allows."""
        if self._phase is Phase.OPEN and not self._connection.is_awaiting:
            # Who was slow before is given its time from now.
            self._progressed_at = self._loop.time()
            self._deadline.watch(self._due())

    # --- the beginning ---------------------------------------------------------------

    def _receive_proxy_header(self, data: bytes) -> None:
        self._input += data
        try:
            header = parse_proxy_header(self._input)
        except MalformedProxyHeader as error:
            self._abort(str(error))
            return
        if header is None:
            return
        rest, self._input = self._input[header.size :], b""
        self.client = header.client or self.client
        refusal = self._host.admit(self.client)
        if refusal is not None:
            self._transport.write(refusal.wire())
            self._close(refusal.text, lingers=True)
            return
        self.is_admitted = True
        self._begin()
        if rest:
            self.data_received(rest)

    def _begin(self) -> None:
        service = self.service
        self._conversation = converse(service, self)
        self._connection = self._conversation.connection
        now = service.clock.now()
        service.sink(
            ConnectionOpened(at=now, session=self.id, listener=service.name, client=self.client)
        )
        if service.tls is not None and service.has_implicit_tls:
            context = service.tls_context()
            if context is not None:
                self.start_tls(context)
        elif service.banner_delay:
            self._phase = Phase.DELAY
            self._expect_by(service.banner_delay)
        else:
            self._welcome()

    def _welcome(self) -> None:
        self._phase = Phase.OPEN
        self._note_progress()
        self._conversation.open(self._greet)

    def _greet(self, refusal: Reply | None = None) -> None:
        self._phase = Phase.OPEN
        self._note_progress()
        self._connection.greet(refusal)
        self._advance()

    # --- octets in and out -----------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        self._connection.receive_data(data)
        if self._connection.is_awaiting:
            self._held += len(data)
            if self._held > _HELD_INPUT:
                self._pause(_FOR_DECISION)
            return
        self._advance()

    def _receive_encrypted(self, data: bytes) -> None:
        tls = self._tls
        if tls is None:
            return
        try:
            plain = tls.receive(data)
        except TlsBroken as error:
            self._transport.write(tls.data_to_send())
            self._close(f"TLS: {error}", lingers=True)
            return
        if self._phase is Phase.HANDSHAKE:
            self._flush()
            if tls.is_ready:
                self._finish_handshake(tls)
        if plain and self._phase is Phase.OPEN:
            self._receive(plain)
        if tls.is_closed and self._phase is not Phase.CLOSING:
            # Nothing after close_notify is read: it may come from somebody else.
            self.eof_received()

    def _finish_handshake(self, tls: TlsLayer) -> None:
        service = self.service
        now = service.clock.now()
        self._reason = "lost"
        service.sink(
            TlsNegotiated(
                at=now,
                session=self.id,
                version=tls.version,
                cipher=tls.cipher,
                client_certificate=tls.client_certificate,
            )
        )
        self._connection.tls_started(server_end_point(tls.server_certificate))
        if service.has_implicit_tls:
            self._welcome()
        else:
            self._phase = Phase.OPEN
            self._note_progress()

    def _advance(self) -> None:
        """Let the conversation act on the input, and send the replies."""
        if self._is_advancing:  # an answer that came at once; the loop below goes on
            return
        self._is_advancing = True
        connection, conversation = self._connection, self._conversation
        handlers = conversation.HANDLERS
        event = connection.next_event()
        if event is not None:  # part of a command buys no time; only what is whole does
            self._progressed_at = self._loop.time()
        try:
            while event is not None:
                handlers[type(event)](conversation, event)
                event = connection.next_event()
        finally:
            self._is_advancing = False
        if self._phase is _OPEN:
            self._flush()
            if conversation.decision_deadline != inf:
                self._deadline.watch(conversation.decision_deadline)

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if self._tls is not None:
            if data:
                self._tls.encrypt(data)
            data = self._tls.data_to_send()
        if data:
            self._transport.write(data)

    def _pause(self, why: int) -> None:
        if not self._pauses and not self._transport.is_closing():
            self._transport.pause_reading()
        self._pauses |= why

    def _resume(self, why: int) -> None:
        if self._pauses:
            self._pauses &= ~why
            if not self._pauses and not self._transport.is_closing():
                self._transport.resume_reading()

    # --- time ------------------------------------------------------------------------

    def _due(self) -> float:
        """Return the client's current deadline."""
        if self._phase is not Phase.OPEN or self._pauses & _FOR_REPLIES:
            return self._expected_by
        conversation = self._conversation
        if self._connection.is_awaiting:
            return conversation.decision_deadline
        limits = self.service.limits
        patience = limits.stress_timeout if self._host.is_stressed else limits.command_timeout
        due = self._progressed_at + patience
        content = conversation.content
        if content is None:
            return due
        whole = limits.data_timeout + content.size / limits.data_rate
        return min(due, content.started_at + whole)

    def _expect_by(self, seconds: float) -> None:
        self._expected_by = self._loop.time() + seconds
        self._deadline.watch(self._expected_by)

    def _note_progress(self) -> None:
        self._progressed_at = self._loop.time()
        self._deadline.watch(self._due())

    def _expire(self) -> None:
        phase = self._phase
        if phase is Phase.DELAY:
            self._greet()
        elif phase is Phase.OPEN and not self._pauses & _FOR_REPLIES:
            self._expire_conversation()
        else:
            waits_for = "replies" if phase is Phase.OPEN else phase.value
            self._abort(self._reason if phase is Phase.CLOSING else f"time-out: {waits_for}")

    def _expire_conversation(self) -> None:
        if self._connection.is_awaiting:
            self._conversation.give_up_waiting()
            return
        if self._conversation.content is None:
            self._why = "time-out: command"
            self._connection.time_out(TIMED_OUT)
        else:
            self._why = "time-out: content"
            self._connection.time_out(SLOW_CONTENT)
        self._advance()

    # --- the end ---------------------------------------------------------------------

    def _close(self, reason: str, *, lingers: bool) -> None:
        """Close for writing; with ``lingers`` discard further input for a moment.

        Closing with unread octets would reset the connection, and the client would lose the reply
        that says why.
        """
        if self._phase in {Phase.CLOSING, Phase.CLOSED}:
            return
        self._reason = reason
        self._phase = Phase.CLOSING
        if self._tls is not None and self._tls.is_ready:
            self._tls.close()
            self._transport.write(self._tls.data_to_send())
        self._expect_by(_LINGER)
        if not lingers:
            self._transport.close()
            return
        self._resume(self._pauses)
        try:
            self._transport.write_eof()
        except OSError:  # the client has reset the connection
            self._transport.abort()

    def _abort(self, reason: str) -> None:
        self._reason = reason
        self._phase = Phase.CLOSING
        self._transport.abort()

    def _say_closed(self) -> None:
        service = self.service
        service.sink(
            ConnectionClosed(
                at=service.clock.now(),
                session=self.id,
                listener=service.name,
                client=self.client,
                reason=self._reason,
                messages=self._conversation.messages,
                seconds=round(self._loop.time() - self._opened_at, 3),
            )
        )
