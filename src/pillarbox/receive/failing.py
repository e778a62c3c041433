"""A conversation that fails on purpose, for listeners whose clients are under test.

It asks ``Misbehavior`` before each decision, does what that says, and otherwise decides as every
conversation does. What recipients ask for by their addresses is the lab's table
(``policy.behavior``), and works in the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final

from pillarbox.events.types import FailureChosen
from pillarbox.intake.draft import Kept
from pillarbox.policy.behavior import ACCEPT, Behavior, Break, Endings, SessionStage
from pillarbox.policy.failing import Moment
from pillarbox.receive.conversation import Conversation
from pillarbox.receive.line import Line
from pillarbox.receive.misbehavior import Misbehavior
from pillarbox.receive.service import Service
from pillarbox.smtp.events import (
    AuthAttempted,
    ContentReceived,
    ContentStarted,
    HelloReceived,
    MailReceived,
    MessageEnded,
    RecipientReceived,
    TlsRequested,
    TransactionReset,
)
from pillarbox.smtp.reply import Reply

__all__ = ["FailingConversation", "converse"]

_BY_ADDRESS: Final = "as the address asks"


def converse(service: Service, line: Line) -> Conversation:
    """Create the conversation that a listener uses."""
    if service.failing is None:
        return Conversation(service, line)
    return FailingConversation(service, line, service.failing)


class FailingConversation(Conversation):
    """The decisions of a session that can be made to fail."""

    __slots__ = ("_bouncing", "_ending", "_endings", "_failing", "_timer")

    def __init__(self, service: Service, line: Line, failing: Misbehavior) -> None:
        """Talk to the client of ``line``, and fail when ``failing`` says so."""
        super().__init__(service, line)
        self._failing = failing
        self._endings = Endings()
        self._ending = ACCEPT  # of the message whose content has come
        self._bouncing: list[str] = []  # recipients for whom it is given back later
        self._timer: asyncio.TimerHandle | None = None

    def open(self, greet: Callable[..., None]) -> None:
        """Greet the client, late or with a refusal, or break the connection instead."""
        behavior = self._asked(self._moment(SessionStage.CONNECT))
        if not behavior.delay:
            self._greet(greet, behavior)
            return
        self._line.congest()  # who talks before the greeting is not read

        def late() -> None:
            self._line.relieve()
            self._greet(greet, behavior)

        self._timer = asyncio.get_running_loop().call_later(behavior.delay, late)

    def lost(self) -> None:
        """Discard what was arriving; the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        super().lost()

    def _greet(self, greet: Callable[..., None], behavior: Behavior) -> None:
        if behavior.reply is None and behavior.ends_by is not Break.NONE:
            self._break(behavior)
        else:
            greet(behavior.reply)

    # --- each question, before it is decided -----------------------------------------

    def _hello(self, event: HelloReceived) -> None:
        self._try(SessionStage.HELO, "EHLO", partial(super()._hello, event))

    def _tls_requested(self, event: TlsRequested) -> None:
        self._try(SessionStage.STARTTLS, "STARTTLS", partial(super()._tls_requested, event))

    def _auth_attempted(self, event: AuthAttempted) -> None:
        decide = partial(super()._auth_attempted, event)
        self._try(SessionStage.AUTH, "AUTH", decide, identity=event.identity)

    def _mail(self, event: MailReceived) -> None:
        self._endings.clear()
        self._bouncing.clear()
        sender = str(event.reverse_path or "")
        behavior = self._asked(self._moment(SessionStage.MAIL, sender=sender))
        refuse = partial(self._refuse_mail, event, rule=_why(behavior))
        self._obey(behavior, refuse, partial(super()._mail, event))

    def _recipient(self, event: RecipientReceived) -> None:
        address = str(event.recipient.address)
        moment = self._moment(
            SessionStage.RCPT, sender=str(self._sender or ""), recipients=(address,)
        )
        behavior = self._asked(moment)
        is_later = behavior.stage is not SessionStage.RCPT
        now = ACCEPT if is_later else behavior

        def decide() -> None:
            self._endings.add(behavior)
            if behavior.bounces:
                self._bouncing.append(address)
            super(FailingConversation, self)._recipient(event)

        self._obey(now, partial(self._refuse_recipient, event, reason=_why(now)), decide)

    def _content_started(self, event: ContentStarted) -> None:
        behavior = self._of_message(SessionStage.DATA, event)
        decide = partial(super()._content_started, event)
        if behavior.reply is None and behavior.ends_by is not Break.NONE:
            self._endings.add(behavior)  # it breaks within the content
            behavior = replace(ACCEPT, delay=behavior.delay)
        self._obey(behavior, partial(self._refuse, command="DATA"), decide)

    def _content_received(self, event: ContentReceived) -> None:
        if not self._breaks_off():
            super()._content_received(event)

    def _breaks_off(self) -> bool:
        """Break the connection if that is to happen within the content."""
        ending = self._endings.in_content()
        if ending is None:
            return False
        self._abort_content()  # the rest may have come in already
        self._break(ending)
        return True

    def _message_ended(self, event: MessageEnded) -> None:
        if self._breaks_off():  # a content may be empty
            return
        extra = self._of_message(SessionStage.DOT, event)
        others = () if extra is ACCEPT else (extra,)
        self._ending = self._endings.at_the_dot(others)
        if self._ending.delay:
            self._later(self._ending.delay, partial(self._end_message, event))
        else:
            self._end_message(event)

    def _end_message(self, event: MessageEnded) -> None:
        ending = self._ending
        if ending.keeps_message:
            super()._message_ended(event)  # and then ``_answered``
            return
        self._abort_content()
        self._answer(ending, partial(self._refuse, command="DATA"), self.connection.accept)

    def _answered(self, outcome: Kept | Reply) -> None:
        if isinstance(outcome, Kept) and not self._is_gone:
            if self._ending.bounces:
                self._failing.bounce(outcome.message, tuple(self._bouncing))
            if self._ending.ends_by is not Break.NONE:
                self.messages += 1
                self._break(self._ending)
                return
        super()._answered(outcome)

    def _reset(self, event: TransactionReset) -> None:
        self._endings.clear()
        super()._reset(event)

    # --- how it fails ----------------------------------------------------------------

    def _moment(self, stage: SessionStage, **known: Any) -> Moment:
        known.setdefault("identity", self._login.identity)
        return Moment(stage=stage, session=self._line.id, client=self._line.client, **known)

    def _asked(self, moment: Moment) -> Behavior:
        behavior = self._failing.at(moment) or ACCEPT
        if behavior is not ACCEPT:
            self._service.sink(
                FailureChosen(
                    at=self._service.clock.now(),
                    session=self._line.id,
                    stage=moment.stage.value,
                    what=str(behavior),
                    why=behavior.why or _BY_ADDRESS,
                )
            )
        return behavior

    def _of_message(self, stage: SessionStage, event: ContentStarted | MessageEnded) -> Behavior:
        envelope = event.envelope
        moment = self._moment(
            stage,
            sender=str(envelope.reverse_path or ""),
            recipients=tuple(str(each.address) for each in envelope.recipients),
        )
        return self._asked(moment)

    def _try(
        self, stage: SessionStage, command: str, decide: Callable[[], None], **known: Any
    ) -> None:
        behavior = self._asked(self._moment(stage, **known))
        self._obey(behavior, partial(self._refuse, command=command), decide)

    def _obey(
        self, behavior: Behavior, refuse: Callable[[Reply], None], decide: Callable[[], None]
    ) -> None:
        """Apply a behavior to the open question; without one, decide."""
        if behavior.delay:
            self._later(behavior.delay, partial(self._answer, behavior, refuse, decide))
        else:
            self._answer(behavior, refuse, decide)

    def _answer(
        self, behavior: Behavior, refuse: Callable[[Reply], None], decide: Callable[[], None]
    ) -> None:
        if behavior.reply is not None:
            refuse(behavior.reply)  # one that closes ends the session by itself
            if behavior.ends_by is Break.CLOSE:
                self._line.end(_why(behavior))  # so that the client can read it
                return
        if behavior.ends_by is not Break.NONE:
            self._break(behavior)
        elif behavior.reply is None:
            decide()

    def _later(self, delay: float, act: Callable[[], None]) -> None:
        def late() -> None:
            act()
            if not self._is_gone:
                self._line.go_on()

        self._timer = asyncio.get_running_loop().call_later(delay, late)

    def _break(self, behavior: Behavior) -> None:
        self._line.break_off(_why(behavior), resets=behavior.ends_by is Break.RESET)

    # What is done about each event; the session looks it up.
    HANDLERS: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        **Conversation.HANDLERS,
        HelloReceived: _hello,
        TlsRequested: _tls_requested,
        AuthAttempted: _auth_attempted,
        MailReceived: _mail,
        RecipientReceived: _recipient,
        ContentStarted: _content_started,
        ContentReceived: _content_received,
        MessageEnded: _message_ended,
        TransactionReset: _reset,
    }


def _why(behavior: Behavior) -> str:
    """Return what the operator is told, as the reason for a failure."""
    return f"failing on purpose: {behavior.why or _BY_ADDRESS}"
