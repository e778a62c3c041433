"""The decisions in a session: who may send, to whom, and what happens to the content.

One handler for each event of the ``ServerConnection``, in a table. A handler decides at once, or
marks the decision as open (``is_deciding``) and resumes the session later.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, ClassVar, Final

from pillarbox.events.types import (
    CommandRefused,
    MessageRefused,
    RecipientRefused,
    SenderRefused,
)
from pillarbox.intake.draft import Kept, Origin
from pillarbox.intake.rulings import ruled
from pillarbox.message.trace import ReceivedTrace, Session as TraceSession
from pillarbox.policy.recipients import Resolution, ResolutionKind
from pillarbox.policy.relay import BuiltIn, Rights
from pillarbox.policy.rules import Client
from pillarbox.policy.ruling import Ruling
from pillarbox.policy.senders import NOBODY, Senders
from pillarbox.receive.aliases import Aliases, expand, without_aliases
from pillarbox.receive.checks import Stage, Visit
from pillarbox.receive.content import Content, accepted, share_of
from pillarbox.receive.gate import Gate
from pillarbox.receive.line import Line
from pillarbox.receive.login import Login
from pillarbox.receive.refusals import (
    LOGIN_ENDED,
    TLS_UNAVAILABLE,
    WAITED_FOR_MEMORY,
)
from pillarbox.receive.service import Service
from pillarbox.receive.throttle import Throttle
from pillarbox.smtp.address import ReversePath
from pillarbox.smtp.envelope import Recipient
from pillarbox.smtp.events import (
    AuthAttempted,
    AuthFailed,
    AuthLookup,
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
from pillarbox.smtp.reply import Reply

__all__ = ["Conversation"]

_WAIT_FOR_MEMORY: Final = 60.0  # seconds; a client waits two minutes (RFC 5321 §4.5.3.2.4)


class Conversation:
    """The decisions of one session."""

    __slots__ = (
        "_aliases",
        "_gate",
        "_helo",
        "_is_extended",
        "_is_gone",
        "_line",
        "_login",
        "_origin",
        "_rights",
        "_room_wanted",
        "_sender",
        "_service",
        "_throttle",
        "connection",
        "content",
        "decision_deadline",
        "messages",
    )

    def __init__(self, service: Service, line: Line) -> None:
        """Begin to talk to the client of ``line``."""
        self._service = service
        self._line = line
        self.connection = service.connect(line.id, line.client)
        self.content: Content | None = None  # coming in
        self.decision_deadline = inf
        self.messages = 0  # kept so far
        self._rights = self._rights_as("")
        self._helo = ""
        self._is_extended = False
        self._is_gone = False
        self._login = Login(service, line, self.connection, self._login_decided)
        self._throttle = Throttle(service, line.client)
        self._origin: Origin | None = None
        self._sender: ReversePath = None
        # What accepted recipients stand for, where that is not themselves.
        self._aliases: Aliases | None = None
        self._room_wanted: Callable[[], None] | None = None
        self._gate = None if service.checks.are_none else Gate(service.checks)
        if self._gate is not None:
            self._gate.begin(self._visit(Stage.CONNECT))

    def open(self, greet: Callable[[], None]) -> None:
        """Begin by greeting the client."""
        greet()

    @property
    def waits_for_room(self) -> bool:
        """Whether a content has to wait until others have finished."""
        return self._room_wanted is not None

    def give_up_waiting(self) -> None:
        """Refuse a content for which no memory became free in time."""
        if self._room_wanted is not None:
            self._service.door.guards.budget.forget(self._room_wanted)
            self._room_wanted = None
            self._refuse(WAITED_FOR_MEMORY, "DATA")
            self._decided()

    def lost(self) -> None:
        """Discard what was arriving; the connection is gone."""
        if self._room_wanted is not None:
            self._service.door.guards.budget.forget(self._room_wanted)
            self._room_wanted = None
        self._abort_content()
        self._is_gone = True
        if self._gate is not None:
            self._gate.close()
        self._login.lost()

    # --- greeting, TLS, login --------------------------------------------------------

    def _hello(self, event: HelloReceived) -> None:
        self._helo = self._login.helo = event.name
        self._is_extended = event.is_extended
        self._origin = None
        if self._gate is not None:
            self._gate.begin(self._visit(Stage.HELO))
        self.connection.accept()

    def _tls_requested(self, event: TlsRequested) -> None:
        del event
        context = self._service.tls_context()
        if context is None:
            self._refuse(TLS_UNAVAILABLE, "STARTTLS")
            return
        self.connection.accept()
        # RFC 3207 §4.2: what was said before the handshake is forgotten, a login as well.
        self._login.forget()
        self._throttle.identify("")
        if self._gate is not None:
            self._gate.is_of_login = False
        self._rights = self._rights_as("")
        self._origin = None
        self._line.start_tls(context)

    def _auth_attempted(self, event: AuthAttempted) -> None:
        self._login.attempted(event)

    def _auth_lookup(self, event: AuthLookup) -> None:
        self._login.looked_up(event)

    def _auth_failed(self, event: AuthFailed) -> None:
        self._login.failed(event)

    def _login_decided(self, is_accepted: bool) -> None:  # noqa: FBT001 - a callback
        if is_accepted:
            self._rights = self._rights_as(self._login.identity, self._login.senders)
            if self._gate is not None:
                self._gate.is_of_login = True
                self._gate.begin(self._visit(Stage.AUTH))
            self._throttle.identify(self._login.identity)
            self._origin = None
        self._decided()

    # --- the envelope ----------------------------------------------------------------

    def _rights_as(self, credential: str, senders: Senders = NOBODY) -> Rights:
        """Return what the client may do, logged in as a credential or, with "", as nobody."""
        service = self._service
        return service.relay.rights(
            Client(
                listener=service.name,
                address=self._line.client,
                credential=credential,
                senders=senders,
            )
        )

    def _mail(self, event: MailReceived) -> None:
        if not self._login.holds:
            self._refuse_mail(
                event, LOGIN_ENDED, "the credential was revoked or rotated, or ran out"
            )
            return
        decision = self._rights.may_send(event.reverse_path)
        if decision.reply is not None:
            self._refuse_mail(event, decision.reply, decision.rule)
            return
        refusal = self._service.door.guards.refusal(self._service.monotonic())
        if refusal is not None:
            self._refuse(refusal, "MAIL")
            return
        self._sender = event.reverse_path
        self._aliases = None
        if self._gate is None:
            self._let_send(event)
        else:
            self._gate.ask(self._visit(Stage.MAIL), partial(self._mail_ruled, event))

    def _mail_ruled(self, event: MailReceived, ruling: Ruling) -> None:
        if self._is_gone:
            return
        if ruling.reply is None:
            self._let_send(event)
        else:
            self._refuse_mail(event, ruling.reply, f"{ruling.by}: {ruling.reason}")
            self._tell_ruled(ruling)
        self._decided()

    def _let_send(self, event: MailReceived) -> None:
        # Asked last: what is refused for something else uses up nobody's rate.
        deferral = self._throttle.message()
        if deferral is None or deferral.reply is None:
            self.connection.accept()
        else:
            self._refuse_mail(event, deferral.reply, f"{deferral.by}: {deferral.reason}")
            self._tell_ruled(deferral)

    def _refuse_mail(self, event: MailReceived, reply: Reply, rule: str) -> None:
        self.connection.refuse(reply)
        self._service.sink(
            SenderRefused(
                at=self._service.clock.now(),
                session=self._line.id,
                client=self._line.client,
                identity=self._login.identity,
                sender=str(event.reverse_path or ""),
                reply=str(reply),
                reason=rule,
            )
        )

    def _recipient(self, event: RecipientReceived) -> None:
        recipient = event.recipient
        decision = self._rights.may_relay(self._sender, recipient.address)
        if decision.reply is not None:
            is_stranger = not (self._login.identity or self._rights.is_trusted)
            if decision.rule == BuiltIn.UNKNOWN and is_stranger:
                self._throttle.unknown(decision.reply, partial(self._refuse_unknown, event))
            else:
                self._refuse_recipient(event, decision.reply, decision.rule)
            return
        if self._gate is None:
            self._take(event, decision.resolution)
        else:
            visit = self._visit(Stage.RCPT, recipient)
            self._gate.ask(visit, partial(self._recipient_ruled, event, decision.resolution))

    def _refuse_unknown(self, event: RecipientReceived, reply: Reply) -> None:
        if not self._is_gone:
            self._refuse_recipient(event, reply, BuiltIn.UNKNOWN)
            self._decided()

    def _recipient_ruled(
        self, event: RecipientReceived, resolution: Resolution | None, ruling: Ruling
    ) -> None:
        if self._is_gone:
            return
        if ruling.reply is None:
            self._take(event, resolution)
        else:
            self._refuse_recipient(event, ruling.reply, f"{ruling.by}: {ruling.reason}")
            self._tell_ruled(ruling)
        self._decided()

    def _take(self, event: RecipientReceived, resolution: Resolution | None) -> None:
        deferral = self._throttle.recipient()
        if deferral is not None and deferral.reply is not None:
            self._refuse_recipient(event, deferral.reply, f"{deferral.by}: {deferral.reason}")
            self._tell_ruled(deferral)
            return
        if resolution is not None and resolution.kind is ResolutionKind.EXPANDED:
            if self._aliases is None:
                self._aliases = {}
            self._aliases[event.recipient] = expand(event.recipient, resolution)
        self.connection.accept()

    def _refuse_recipient(self, event: RecipientReceived, reply: Reply, reason: str) -> None:
        self.connection.refuse(reply)
        self._service.sink(
            RecipientRefused(
                at=self._service.clock.now(),
                session=self._line.id,
                client=self._line.client,
                sender=str(self._sender or ""),
                recipient=str(event.recipient.address),
                reply=str(reply),
                reason=reason,
            )
        )

    def _tell_ruled(self, ruling: Ruling) -> None:
        self._service.sink(ruled(ruling, at=self._service.clock.now(), session=self._line.id))

    def _visit(self, stage: Stage, recipient: Recipient | None = None) -> Visit:
        tls = self._line.tls
        return Visit(
            stage=stage,
            session=self._line.id,
            listener=self._service.name,
            client=self._line.client,
            is_trusted=self._rights.is_trusted,
            helo=self._helo,
            is_extended=self._is_extended,
            tls=f"{tls.version} {tls.cipher}" if tls is not None else "",
            identity=self._login.identity,
            sender=self._sender,
            recipient=recipient,
        )

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
            rulings=self._rulings,
        )

    @property
    def _rulings(self) -> tuple[Ruling, ...]:
        """What was said of the session and of the message that is under way."""
        if self._gate is None:
            return self._throttle.rulings
        return self._gate.rulings + self._throttle.rulings

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
                    name=next((each.client_name for each in self._rulings if each.client_name), ""),
                    is_authenticated=bool(self._login.identity),
                    tls_version=version,
                    tls_cipher=cipher,
                )
            ),
            session=line.id,
            client=line.client,
            identity=self._login.identity,
            helo=self._helo,
            senders=self._rights.senders,
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
    HANDLERS: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        HelloReceived: _hello,
        TlsRequested: _tls_requested,
        AuthAttempted: _auth_attempted,
        AuthLookup: _auth_lookup,
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
