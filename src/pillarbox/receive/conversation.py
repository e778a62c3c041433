"""What is decided in a session: who may send, for whom, and what becomes of the content.

One handler for each event of the ``ServerConnection``, in a table. A handler decides at
once, or marks the decision as open (``is_deciding``) and carries the session on later.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any, ClassVar, Final

from pillarbox.errors import PermanentError
from pillarbox.events.types import (
    AuthAccepted,
    AuthRefused,
    CommandRefused,
    ConfigurationReloaded,
    MessageRefused,
    RecipientRefused,
)
from pillarbox.intake.draft import Kept, Origin
from pillarbox.message.trace import ReceivedTrace, Session as TraceSession
from pillarbox.policy.recipients import ResolutionKind
from pillarbox.policy.relay import Client, may_relay, may_send
from pillarbox.receive.aliases import Aliases, expand, without_aliases
from pillarbox.receive.auth import Verdict
from pillarbox.receive.clients import client_key
from pillarbox.receive.content import Content, share_of
from pillarbox.receive.line import Line
from pillarbox.receive.refusals import (
    BAD_PASSWORD,
    LOGIN_BUSY,
    TLS_UNAVAILABLE,
    TOO_MANY_LOGINS,
    WAITED_FOR_MEMORY,
)
from pillarbox.receive.service import Service
from pillarbox.receive.tls import ServerTls
from pillarbox.smtp.address import ReversePath
from pillarbox.smtp.events import (
    AuthAttempted,
    AuthFailed,
    CommandFailed,
    ContentDiscarded,
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
from pillarbox.smtp.reply import EnhancedCode, Reply
from pillarbox.smtp.sasl.claims import PasswordClaim
from pillarbox.smtp.server import ServerConnection

__all__ = ["Conversation"]

_WAIT_FOR_MEMORY: Final = 60.0  # seconds; a client waits two minutes (RFC 5321 §4.5.3.2.4)
_ACCEPTED_CODE: Final = EnhancedCode(2, 0, 0)


class Conversation:
    """The decisions of one session."""

    __slots__ = (
        "_aliases",
        "_client",
        "_helo",
        "_identity",
        "_is_extended",
        "_is_gone",
        "_line",
        "_origin",
        "_room_wanted",
        "_sender",
        "_service",
        "connection",
        "content",
        "decision_deadline",
        "messages",
    )

    def __init__(self, service: Service, line: Line) -> None:
        """Begin to talk to the client of ``line``."""
        self._service = service
        self._line = line
        self.connection = ServerConnection(
            service.options_for_loopback if _is_loopback(line.client) else service.options
        )
        self.content: Content | None = None  # coming in
        self.decision_deadline = inf
        self.messages = 0  # kept so far
        self._client = Client(
            is_trusted=line.client in service.trusted, must_log_in=service.must_log_in
        )
        self._helo = ""
        self._is_extended = False
        self._is_gone = False
        self._identity = ""
        self._origin: Origin | None = None
        self._sender: ReversePath = None
        # What accepted recipients stand for, where that is not themselves.
        self._aliases: Aliases | None = None
        self._room_wanted: Callable[[], None] | None = None

    @property
    def waits_for_room(self) -> bool:
        """Whether a content may not come in before others have gone."""
        return self._room_wanted is not None

    def tls_context(self, tls: ServerTls) -> ssl.SSLContext | None:
        """Return the context for a handshake."""
        now = self._service.monotonic()
        try:
            return tls.context(now)
        except PermanentError as error:
            # Changed files that cannot be used; what was read before still can.
            at = self._service.clock.now()
            self._service.sink(ConfigurationReloaded(at=at, error=str(error)))
            return tls.context(now)

    def give_up_waiting(self) -> None:
        """Refuse a content for which no memory came free in time."""
        if self._room_wanted is not None:
            self._service.door.guards.budget.forget(self._room_wanted)
            self._room_wanted = None
            self._refuse(WAITED_FOR_MEMORY, "DATA")
            self._decided()

    def lost(self) -> None:
        """Forget what was coming in; the connection is gone."""
        if self._room_wanted is not None:
            self._service.door.guards.budget.forget(self._room_wanted)
            self._room_wanted = None
        self._abort_content()
        self._is_gone = True

    # --- greeting, TLS, login --------------------------------------------------------

    def _hello(self, event: HelloReceived) -> None:
        self._helo = event.name
        self._is_extended = event.is_extended
        self._origin = None
        self.connection.accept()

    def _tls_requested(self, event: TlsRequested) -> None:
        del event
        tls = self._service.tls
        context = None if tls is None else self.tls_context(tls)
        if context is None:
            self._refuse(TLS_UNAVAILABLE, "STARTTLS")
            return
        self.connection.accept()
        self._identity = ""
        self._origin = None
        self._line.start_tls(context)

    def _auth_attempted(self, event: AuthAttempted) -> None:
        service = self._service
        now = service.monotonic()
        if service.guesses.are_too_many(client_key(self._line.client), now):
            self._refuse_login(event, TOO_MANY_LOGINS, "too many failed logins")
            return
        claim = event.claim
        if not isinstance(claim, PasswordClaim):
            self._judge_login(event, Verdict.WRONG)
            return
        verdict = service.authenticator.check(
            claim.identity, claim.password, acting_as=claim.authorization_identity, now=now
        )
        if isinstance(verdict, Verdict):
            self._judge_login(event, verdict)
            return
        verdict.add_done_callback(partial(self._login_checked, event))

    def _login_checked(self, event: AuthAttempted, checked: asyncio.Future[Verdict]) -> None:
        failed = checked.cancelled() or checked.exception() is not None
        self._judge_login(event, Verdict.BUSY if failed else checked.result())

    def _judge_login(self, event: AuthAttempted, verdict: Verdict) -> None:
        if verdict is Verdict.ACCEPTED:
            self._accept_login(event)
        elif verdict in {Verdict.BUSY, Verdict.NO_USERS}:
            self._refuse_login(event, LOGIN_BUSY, verdict.value)
        else:
            service = self._service
            key = client_key(self._line.client)
            delay = service.guesses.failed(key, service.monotonic())
            if delay:
                asyncio.get_running_loop().call_later(
                    delay, self._refuse_login, event, BAD_PASSWORD, verdict.value
                )
            else:
                self._refuse_login(event, BAD_PASSWORD, verdict.value)

    def _accept_login(self, event: AuthAttempted) -> None:
        service = self._service
        self._identity = event.identity
        self._origin = None
        self._client = replace(self._client, is_authenticated=True)
        service.sink(
            AuthAccepted(
                at=service.clock.now(),
                session=self._line.id,
                client=self._line.client,
                mechanism=event.mechanism,
                identity=event.identity,
            )
        )
        if not self._is_gone:
            self.connection.accept()
            self._decided()

    def _refuse_login(self, event: AuthAttempted, reply: Reply, reason: str) -> None:
        self._tell_login_refused(event.mechanism, event.identity, reason)
        if not self._is_gone:
            self.connection.refuse(reply)
            self._decided()

    def _auth_failed(self, event: AuthFailed) -> None:
        self._tell_login_refused(event.mechanism, "", str(event.reply))

    def _tell_login_refused(self, mechanism: str, identity: str, reason: str) -> None:
        self._service.sink(
            AuthRefused(
                at=self._service.clock.now(),
                session=self._line.id,
                client=self._line.client,
                mechanism=mechanism,
                identity=identity,
                reason=reason,
            )
        )

    # --- the envelope ----------------------------------------------------------------

    def _mail(self, event: MailReceived) -> None:
        refusal = may_send(self._client).reply or self._service.door.guards.refusal(
            self._service.monotonic()
        )
        if refusal is not None:
            self._refuse(refusal, "MAIL")
            return
        self._sender = event.reverse_path
        self._aliases = None
        self.connection.accept()

    def _recipient(self, event: RecipientReceived) -> None:
        recipient = event.recipient
        decision = may_relay(self._client, recipient.address, self._service.domains)
        if decision.reply is not None:
            self.connection.refuse(decision.reply)
            self._service.sink(
                RecipientRefused(
                    at=self._service.clock.now(),
                    session=self._line.id,
                    client=self._line.client,
                    sender=str(self._sender or ""),
                    recipient=str(recipient.address),
                    reply=str(decision.reply),
                    reason=decision.rule,
                )
            )
            return
        resolution = decision.resolution
        if resolution is not None and resolution.kind is ResolutionKind.EXPANDED:
            if self._aliases is None:
                self._aliases = {}
            self._aliases[recipient] = expand(recipient, resolution)
        self.connection.accept()

    def _reset(self, event: TransactionReset) -> None:
        del event
        self._abort_content()

    def _verify(self, event: VerifyReceived) -> None:
        del event
        self.connection.accept()

    # --- the content -----------------------------------------------------------------

    def _content_started(self, event: ContentStarted) -> None:
        budget = self._service.door.guards.budget
        share = share_of(event.size)
        if budget.take(share):
            self._begin_content(event, share)
            self.connection.accept()
            return
        self._room_wanted = partial(self._room_came, event, share)
        self.decision_deadline = self._service.monotonic() + _WAIT_FOR_MEMORY
        budget.wait(share, self._room_wanted)

    def _room_came(self, event: ContentStarted, share: int) -> None:
        self._room_wanted = None
        self._begin_content(event, share)
        self.connection.accept()
        self._decided()

    def _begin_content(self, event: ContentStarted, share: int) -> None:
        self.content = Content(
            self._service.door,
            self._origin or self._new_origin(),
            without_aliases(event.envelope, self._aliases),
            share=share,
            started_at=self._service.monotonic(),
            on_room=self._line.relieve,
        )

    def _content_received(self, event: ContentReceived) -> None:
        content = self.content
        if content is not None:
            content.add(event.data)
            if content.is_congested:
                self._line.congest()

    def _message_ended(self, event: MessageEnded) -> None:
        content, self.content = self.content, None
        if content is not None:
            content.end(event.facts, self._answered)

    def _answered(self, outcome: Kept | Reply) -> None:
        if isinstance(outcome, Kept):
            self.messages += 1
        if self._is_gone:
            return
        if isinstance(outcome, Kept):
            self.connection.accept(accepted(outcome))
        else:
            self.connection.refuse(outcome)
        self._line.relieve()  # the content may have ended while the store was behind
        self._decided()

    def _content_discarded(self, event: ContentDiscarded) -> None:
        self._abort_content()
        self._service.sink(
            MessageRefused(
                at=self._service.clock.now(),
                session=self._line.id,
                client=self._line.client,
                sender=str(self._sender or ""),
                recipients=[],
                reply="" if event.reply is None else str(event.reply),
                reason=event.reason,
            )
        )

    def _abort_content(self) -> None:
        if self.content is not None:
            self.content.abort()
            self.content = None
            self._line.relieve()

    def _new_origin(self) -> Origin:
        service, line = self._service, self._line
        version, cipher = (line.tls.version, line.tls.cipher) if line.tls else ("", "")
        self._origin = Origin(
            name=service.name,
            is_submission=service.is_submission,
            trace=ReceivedTrace(
                TraceSession(
                    helo=self._helo,
                    address=line.client,
                    hostname=service.hostname,
                    is_extended=self._is_extended,
                    is_authenticated=bool(self._identity),
                    tls_version=version,
                    tls_cipher=cipher,
                )
            ),
            session=line.id,
            client=line.client,
            identity=self._identity,
            helo=self._helo,
            tls=f"{version} {cipher}".strip(),
        )
        return self._origin

    # --- the rest --------------------------------------------------------------------

    def _command_failed(self, event: CommandFailed) -> None:
        self._tell_refused(event.command, event.reply)

    def _ended(self, event: SessionEnded) -> None:
        self._line.end(event.reason)

    def _refuse(self, reply: Reply, command: str) -> None:
        self.connection.refuse(reply)
        self._tell_refused(command, reply)

    def _tell_refused(self, command: str, reply: Reply) -> None:
        self._service.sink(
            CommandRefused(
                at=self._service.clock.now(),
                session=self._line.id,
                command=command,
                reply=str(reply),
            )
        )

    def _decided(self) -> None:
        self.decision_deadline = inf
        self._line.go_on()

    # What is done about each event; the session looks it up.
    HANDLERS: ClassVar[dict[type, Callable[[Conversation, Any], None]]] = {
        HelloReceived: _hello,
        TlsRequested: _tls_requested,
        AuthAttempted: _auth_attempted,
        AuthFailed: _auth_failed,
        MailReceived: _mail,
        RecipientReceived: _recipient,
        ContentStarted: _content_started,
        ContentReceived: _content_received,
        MessageEnded: _message_ended,
        ContentDiscarded: _content_discarded,
        TransactionReset: _reset,
        VerifyReceived: _verify,
        CommandFailed: _command_failed,
        SessionEnded: _ended,
    }


def accepted(kept: Kept) -> Reply:
    """Return the reply to a message that is on disk."""
    return Reply(250, (f"OK, queued as {kept.shown}",), _ACCEPTED_CODE)


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
