"""Mail servers on loopback that behave as the recipient's address asks.

``policy.behavior`` maps local parts to behaviors; any other recipient is accepted. Received
messages are retained in memory, for tests and for people who look on. A message whose recipients
ask for different endings gets the worst of them, as from a real server.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, cast

from pillarbox.errors import PermanentError
from pillarbox.lab.logins import LabLogins
from pillarbox.net.reset import reset
from pillarbox.policy.behavior import Behavior, Break, Endings, SessionStage, behavior_of
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.smtp.events import (
    AuthAttempted,
    AuthLookup,
    ContentReceived,
    ContentStarted,
    HelloReceived,
    MailReceived,
    MessageEnded,
    RecipientReceived,
    SessionEnded,
    TlsRequested,
    TransactionReset,
    VerifyReceived,
)
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.server import ServerConnection

__all__ = ["Caught", "LabServer"]

_MECHANISMS: Final = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN")
_LOGIN_REFUSED: Final = Reply.of(535, "5.7.8", "Authentication credentials invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """A message as a lab server got it."""

    envelope: Envelope
    content: bytes  # every line ends in CRLF, dots are not stuffed
    at: float  # event loop's time
    hello: str  # what the client called itself
    client: str
    is_encrypted: bool
    was_acknowledged: bool  # whether the final dot got a 250


@dataclass(slots=True)
class LabServer:
    """One mail server.

    ``messages`` holds what it kept, ``connections`` counts those that were ever opened, and
    ``attempts`` how often each recipient of each sender was tried.
    """

    hostname: str
    options: ServerOptions | None = None  # extensions and limits; default: all of them
    tls: ssl.SSLContext | None = None  # offer STARTTLS with it
    channel_binding: bytes | None = None  # of its certificate (RFC 5929 §4)
    logins: LabLogins | None = None  # who may log in; None: nobody has to, nor can
    behavior: Callable[[str], Behavior] = behavior_of  # by local part
    on_bounce: Callable[[Caught], None] | None = None  # for ``bounce-later@``
    messages: list[Caught] = field(default_factory=list)
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    connections: int = 0
    _server: asyncio.Server | None = None
    _sessions: set[_Session] = field(default_factory=set)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_up(self) -> bool:
        """Whether it takes connections."""
        return self._server is not None

    @property
    def port(self) -> int:
        """The port that it listens on.

        Raises:
            PermanentError: It does not.
        """
        if self._server is None:
            raise PermanentError(f"{self.hostname} is down")
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, address: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes any that is free."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), address, port)

    async def stop(self) -> None:
        """Go down: connections are refused, and those that are open break."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for session in tuple(self._sessions):
            session.abort()
        await server.wait_closed()

    async def wait_for(self, count: int, *, timeout: float = 60.0) -> list[Caught]:  # noqa: ASYNC109
        """Wait until ``count`` messages were kept in all, and return them.

        Raises:
            TimeoutError: They did not come within ``timeout`` seconds of the event loop.
        """
        async with asyncio.timeout(timeout):
            while len(self.messages) < count:
                self._came.clear()
                await self._came.wait()
        return self.messages

    def session_options(self) -> ServerOptions:
        """Return what a new connection offers."""
        options = self.options or ServerOptions(hostname=self.hostname)
        mechanisms = options.auth_mechanisms or _MECHANISMS
        return replace(
            options,
            starttls=self.tls is not None,
            auth_mechanisms=() if self.logins is None else mechanisms,
            auth_before_tls=self.tls is None,
            new_nonce=_new_nonce,
        )

    def opened(self, session: _Session) -> None:
        """Take note of a connection."""
        self.connections += 1
        self._sessions.add(session)

    def closed(self, session: _Session) -> None:
        """Forget a connection."""
        self._sessions.discard(session)

    def keep(self, caught: Caught) -> None:
        """Keep a message."""
        self.messages.append(caught)
        self._came.set()

    def asked(self, sender: str, recipient: Recipient) -> Behavior:
        """Return how to treat a recipient this time, and count it."""
        behavior = self.behavior(recipient.address.local_part)
        key = (sender, str(recipient.address))
        self.attempts[key] += 1
        is_over = behavior.times is not None and self.attempts[key] > behavior.times
        return Behavior() if is_over else behavior


class _Session(asyncio.Protocol):
    """The driver of one connection."""

    def __init__(self, server: LabServer) -> None:
        self._server = server
        self._connection = ServerConnection(server.session_options())
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._upgrade: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client = ""
        self._hello = ""
        self._sender = ""
        self._endings = Endings()  # of the transaction's recipients
        self._content = bytearray()
        self._early = b""

    # --- what the event loop calls ---------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = str(transport.get_extra_info("peername")[0])
        self._server.opened(self)
        self._connection.greet()
        self._advance()

    def data_received(self, data: bytes) -> None:
        if self._upgrade is not None and not self._upgrade.done():
            self._early += data  # may come in one read with the end of the handshake
            return
        self._connection.receive_data(data)
        self._advance()

    def eof_received(self) -> None:
        self._connection.receive_data(b"")
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self._server.closed(self)

    def abort(self) -> None:
        """Break the connection."""
        self._transport.abort()

    # --- events ----------------------------------------------------------------------

    def _advance(self) -> None:
        while not self._transport.is_closing():
            event = self._connection.next_event()
            if event is None:
                break
            handle = self._HANDLERS.get(type(event))
            if handle is not None:  # the rest the connection has answered by itself
                handle(self, event)
        self._flush()

    def _flush(self) -> None:
        if octets := self._connection.data_to_send():
            self._transport.write(octets)

    def _hello_received(self, event: HelloReceived) -> None:
        self._hello = event.name
        self._connection.accept()

    def _mail_received(self, event: MailReceived) -> None:
        self._sender = str(event.reverse_path or "")
        self._endings.clear()
        self._connection.accept()

    def _content_started(self, event: ContentStarted) -> None:
        del event
        self._content.clear()
        self._connection.accept()

    def _verify_received(self, event: VerifyReceived) -> None:
        del event
        self._connection.accept()

    def _transaction_reset(self, event: TransactionReset) -> None:
        del event
        self._endings.clear()

    def _session_ended(self, event: SessionEnded) -> None:
        del event
        self._flush()
        self._transport.close()

    def _tls_requested(self, event: TlsRequested) -> None:
        del event
        self._connection.accept()
        self._flush()
        self._transport.pause_reading()
        self._upgrade = self._loop.create_task(self._shake_hands())

    async def _shake_hands(self) -> None:
        context = self._server.tls
        if context is None:
            raise RuntimeError("STARTTLS was not offered")
        try:
            transport = await self._loop.start_tls(self._transport, self, context, server_side=True)
        except OSError:  # the client does not like our certificate
            self._transport.abort()
            return
        if transport is not None:
            self._transport = transport
            self._connection.tls_started(self._server.channel_binding)
            if self._early:  # nothing at all would mean the end of the input
                self._connection.receive_data(self._early)
            self._advance()

    def _auth_attempted(self, event: AuthAttempted) -> None:
        logins = self._server.logins
        if logins is not None and logins.accepts(event.claim):
            self._connection.accept()
        else:
            self._connection.refuse(_LOGIN_REFUSED)

    def _auth_lookup(self, event: AuthLookup) -> None:
        if self._server.logins is not None:
            self._connection.supply(self._server.logins.verifier(event.request))

    def _recipient_received(self, event: RecipientReceived) -> None:
        behavior = self._server.asked(self._sender, event.recipient)
        if behavior.stage is not SessionStage.RCPT:
            self._endings.add(behavior)
            self._connection.accept()
            return

        def answer() -> None:
            if behavior.reply is None and behavior.ends_by is Break.NONE:
                self._endings.add(behavior)
            self._answer(behavior)

        self._after(behavior.delay, answer)

    def _content_received(self, event: ContentReceived) -> None:
        self._content += event.data
        self._breaks_off()

    def _breaks_off(self) -> bool:
        """Break the connection if that is to happen within the content."""
        ending = self._endings.in_content()
        if ending is not None:
            self._break(ending.ends_by)
        return ending is not None

    def _message_ended(self, event: MessageEnded) -> None:
        if self._breaks_off():  # a content may be empty
            return
        ending = self._endings.at_the_dot()
        self._after(ending.delay, lambda: self._finish(ending, event.envelope))

    def _finish(self, ending: Behavior, envelope: Envelope) -> None:
        caught = Caught(
            envelope=envelope,
            content=bytes(self._content),
            at=self._loop.time(),
            hello=self._hello,
            client=self._client,
            is_encrypted=self._upgrade is not None,
            was_acknowledged=ending.reply is None and ending.ends_by is Break.NONE,
        )
        if ending.keeps_message:
            self._server.keep(caught)
        if ending.bounces and self._server.on_bounce:
            self._server.on_bounce(caught)
        self._endings.clear()
        self._answer(ending)

    _HANDLERS: ClassVar[dict[type, Callable[[_Session, Any], None]]] = {
        HelloReceived: _hello_received,
        TlsRequested: _tls_requested,
        AuthAttempted: _auth_attempted,
        AuthLookup: _auth_lookup,
        MailReceived: _mail_received,
        RecipientReceived: _recipient_received,
        ContentStarted: _content_started,
        ContentReceived: _content_received,
        MessageEnded: _message_ended,
        VerifyReceived: _verify_received,
        TransactionReset: _transaction_reset,
        SessionEnded: _session_ended,
    }

    # --- answers ---------------------------------------------------------------------

    def _after(self, delay: float, action: Callable[[], None]) -> None:
        """Act now, or stop reading and act later."""
        if not delay:
            action()
            return

        def act() -> None:
            action()
            if not self._transport.is_closing():
                self._transport.resume_reading()
                self._advance()

        self._transport.pause_reading()
        self._timer = self._loop.call_later(delay, act)

    def _answer(self, behavior: Behavior) -> None:
        if behavior.reply is not None:
            self._connection.refuse(behavior.reply)
            self._flush()
        if behavior.ends_by is not Break.NONE:
            self._break(behavior.ends_by)
        elif behavior.reply is None:
            self._connection.accept()

    def _break(self, how: Break) -> None:
        self._flush()
        if how is Break.RESET:
            reset(self._transport)
        else:
            self._transport.close()


def _new_nonce() -> str:
    return secrets.token_urlsafe(18)
