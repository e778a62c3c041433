"""Release: caught mail is sent to real people, through one relay, to those on a list.

Nothing leaves a sandbox unless the configuration names both a relay and who may get mail. The
relay's replies are passed on word for word. Rules may release mail automatically; mail that was
released before is never released by a rule, so that no loop can arise.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pillarbox.config.mail_url import MailUrl, MailUrlInvalid, parse_mail_url
from pillarbox.config.settings import SandboxForwardSettings, SandboxReleaseSettings
from pillarbox.errors import PermanentError, PillarboxError, TemporaryError
from pillarbox.inbox.values import Summary
from pillarbox.net.channel import OpenFailed
from pillarbox.net.dialer import Dialer
from pillarbox.net.mail_client import MailClient
from pillarbox.net.transaction import RecipientOutcome
from pillarbox.policy.senders import NoSenderPattern, Senders
from pillarbox.sandbox.caught_mail import CaughtMail
from pillarbox.sandbox.matching import matching
from pillarbox.sandbox.released_mail import needs_utf8, prepare_release, was_released
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.envelope import BodyType, Envelope, Recipient
from pillarbox.smtp.path import parse_mailbox
from pillarbox.store.port import MessageId, StoreUnavailable

__all__ = [
    "RelayRefused",
    "RelayUnavailable",
    "Released",
    "ReleasedRecipient",
    "Releaser",
    "build_releaser",
]

_MOST_RECIPIENTS: Final = 100
_AT_ONCE: Final = 4  # connections to the relay
_MOST_WAITING: Final = 1_000  # mails that rules release
_REMEMBERED: Final = 100
_WAITS: Final = (5.0, 60.0, 300.0)  # seconds until a rule tries again


class RelayUnavailable(TemporaryError):  # noqa: N818 - reads as what it says
    """The relay could not be reached, or deferred us; ``released`` has its replies."""

    def __init__(self, reason: str, released: Released) -> None:
        super().__init__(reason)
        self.released = released


class RelayRefused(PermanentError):  # noqa: N818 - reads as what it says
    """The relay has refused the message for every recipient; ``released`` has its replies."""

    def __init__(self, reason: str, released: Released) -> None:
        super().__init__(reason)
        self.released = released


class ReleasedRecipient(Struct, frozen=True):
    """The outcome for one recipient."""

    address: str
    is_accepted: bool
    reply: str  # the relay's, word by word; or why there is none


class Released(Struct, frozen=True, kw_only=True):
    """One release, with the relay's replies."""

    mail: MessageId
    at: float  # seconds since 1970
    rule: str  # that asked for it; "" for a person
    relay: str  # as an URL, without the password
    recipients: tuple[ReleasedRecipient, ...] = ()
    problem: str = ""  # why nobody has got it
    conversation: tuple[str, ...] = ()  # "> MAIL FROM:<...>", "< 250 ok"; secrets masked


def build_releaser(
    sandbox: CaughtMail,
    settings: SandboxReleaseSettings,
    forwards: Mapping[str, SandboxForwardSettings],
    *,
    dialer: Dialer | None = None,
) -> Releaser | None:
    """Return what releases mail; None where the configuration does not allow it.

    Raises:
        PermanentError: Something in the configuration cannot be used.
    """
    if not settings.relay:
        if forwards:
            raise PermanentError("[sandbox_forward] needs sandbox_release.relay")
        return None
    if not settings.recipients:
        raise PermanentError(
            "sandbox_release.recipients is empty, so nobody could receive released mail; list "
            'patterns, such as ["@example.org"], or remove sandbox_release.relay'
        )
    return Releaser(sandbox, settings, forwards, dialer=dialer)


class Releaser:
    """Sends caught mail to real people."""

    def __init__(
        self,
        sandbox: CaughtMail,
        settings: SandboxReleaseSettings,
        forwards: Mapping[str, SandboxForwardSettings],
        *,
        dialer: Dialer | None = None,
    ) -> None:
        """Prepare; rules do nothing before ``start``.

        Args:
            sandbox: Whose mail is sent.
            settings: The relay, and who may get mail.
            forwards: The rules, by name.
            dialer: Who opens connections; None: the system.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        self._sandbox = sandbox
        self.relay = _relay(settings)
        self._client = MailClient(self.relay, settings.hello_name, dialer)
        self._allowed = _people(settings.recipients, "sandbox_release.recipients")
        self._blocked = _people(settings.blocked, "sandbox_release.blocked")
        self._return_path = _return_path(settings)
        self._forwards = forwards
        for name, rule in forwards.items():
            self._check(name, rule)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._log: deque[Released] = deque(maxlen=_REMEMBERED)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_on = self._listens = False

    # --- life ------------------------------------------------------------------------

    def start(self) -> None:
        """Go by the rules from now on."""
        if self._forwards and not self._listens:
            self._sandbox.on_caught(self._caught)
            self._listens = True
        self._is_on = True

    async def stop(self) -> None:
        """Release nothing by rules any more. Safe to call twice."""
        self._is_on = False
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- for people ------------------------------------------------------------------

    @property
    def patterns(self) -> tuple[str, ...]:
        """Who may get released mail, as the configuration says."""
        return self._allowed.patterns

    def allows(self, address: Mailbox) -> bool:
        """Whether somebody may get released mail."""
        return address in self._allowed and address not in self._blocked

    def releases(self) -> tuple[Released, ...]:
        """Return the last releases, the newest first."""
        return tuple(reversed(self._log))

    async def release(self, message: MessageId, recipients: Sequence[str]) -> Released:
        """Send a mail to real people.

        Returns:
            What the relay said, which has accepted at least one recipient.

        Raises:
            PermanentError: There is no such mail, or somebody is not allowed; nothing was sent.
            RelayRefused: The relay refuses it for everybody.
            RelayUnavailable: It may take it later.
        """
        mailboxes = self._admitted(recipients)
        summary = await self._sandbox.inbox.summary(message)
        if summary is None:
            raise PermanentError("This message no longer exists.")
        return await self._send(summary, mailboxes, rule="")

    def _admitted(self, recipients: Sequence[str]) -> tuple[Mailbox, ...]:
        if not 0 < len(recipients) <= _MOST_RECIPIENTS:
            raise PermanentError(f"Name one recipient or more, {_MOST_RECIPIENTS} at most.")
        mailboxes = tuple(parse_mailbox(each.strip()) for each in recipients)
        forbidden = [str(each) for each in mailboxes if not self.allows(each)]
        if forbidden:
            blocked = ", except those in sandbox_release.blocked" if self._blocked.patterns else ""
            raise PermanentError(
                f"{', '.join(forbidden)} must not receive released mail: the configuration allows "
                f"{', '.join(self.patterns)} (sandbox_release.recipients){blocked}. "
                "Nothing was sent."
            )
        return tuple(dict.fromkeys(mailboxes))

    # --- sending ---------------------------------------------------------------------

    async def _send(
        self, summary: Summary, mailboxes: tuple[Mailbox, ...], *, rule: str
    ) -> Released:
        content = await self._sandbox.inbox.content(summary.id)
        if content is None:
            raise PermanentError("This message no longer exists.")
        now = self._sandbox.clock.now()
        released = Released(mail=summary.id, at=now, rule=rule, relay=str(self.relay))
        try:
            async with self._slots:
                content = prepare_release(content, now=now)
                sent = await self._client.send(self._envelope(summary, mailboxes, content), content)
        except OpenFailed as failed:
            released = replace(
                released, problem=_why_not_open(failed), conversation=tuple(failed.conversation)
            )
            self._log.append(released)
            is_permanent = failed.reply is not None and failed.reply.is_permanent
            kind = RelayRefused if is_permanent else RelayUnavailable
            raise kind(released.problem, released) from failed
        outcomes = tuple(map(_told, mailboxes, sent.outcomes))
        released = replace(released, recipients=outcomes, conversation=tuple(sent.conversation))
        if not any(each.is_accepted for each in outcomes):
            released = replace(released, problem=self._problem(sent.outcomes, outcomes))
        self._log.append(released)
        if released.problem:
            may_pass = any(map(_may_pass, sent.outcomes))
            raise (RelayUnavailable if may_pass else RelayRefused)(released.problem, released)
        return released

    def _problem(
        self, outcomes: Sequence[RecipientOutcome], told: Sequence[ReleasedRecipient]
    ) -> str:
        words = "; ".join(dict.fromkeys(each.reply for each in told))
        if all(each.is_local for each in outcomes):
            return f"The message cannot be sent to the relay {self.relay} unchanged: {words}"
        return f"The relay {self.relay} says: {words}"

    def _envelope(
        self, summary: Summary, mailboxes: tuple[Mailbox, ...], content: bytes
    ) -> Envelope:
        sender: ReversePath = None
        if self._return_path is not None:
            sender = self._return_path
        elif summary.reverse_path:
            sender = parse_mailbox(summary.reverse_path)
        people = mailboxes if sender is None else (*mailboxes, sender)
        return Envelope(
            reverse_path=sender,
            recipients=tuple(map(Recipient, mailboxes)),
            body=BodyType.SEVEN_BIT if content.isascii() else BodyType.EIGHT_BIT_MIME,
            smtputf8=needs_utf8(content) or any(each.needs_smtputf8 for each in people),
        )

    # --- rules -----------------------------------------------------------------------

    def _caught(self, summaries: Sequence[Summary]) -> None:
        if self._is_on:
            for name, rule in self._forwards.items():
                self._run(self._choose(name, rule, summaries))

    async def _choose(
        self, name: str, rule: SandboxForwardSettings, summaries: Sequence[Summary]
    ) -> None:
        """Begin to forward those mails that a rule is about."""
        query = self._sandbox.query(rule.search) if rule.search else None
        with contextlib.suppress(StoreUnavailable):  # whoever brings mail hears of that
            inbox = self._sandbox.inbox
            for summary in await matching(inbox, summaries, query, rule.project):
                if len(self._tasks) < _MOST_WAITING:
                    self._run(self._forward(name, rule, summary))
                else:
                    problem = f"{_MOST_WAITING} messages are already waiting to be forwarded"
                    self._note(summary, rule=name, problem=problem)

    async def _forward(self, name: str, rule: SandboxForwardSettings, summary: Summary) -> None:
        try:
            await self._forward_by(name, rule, summary)
        except PillarboxError as error:
            self._note(summary, rule=name, problem=str(error))

    async def _forward_by(self, name: str, rule: SandboxForwardSettings, summary: Summary) -> None:
        named = rule.recipients or summary.recipients
        mailboxes = tuple(filter(self.allows, map(parse_mailbox, named)))[:_MOST_RECIPIENTS]
        if not mailboxes:
            return
        content = await self._sandbox.inbox.content(summary.id)
        if content is None:
            return
        if was_released(content):
            self._note(summary, rule=name, problem="it was released before and came back")
            return
        for wait in (*_WAITS, None):
            try:
                await self._send(summary, mailboxes, rule=name)
            except RelayUnavailable:
                if wait is None:
                    return
                await asyncio.sleep(wait)
            except PermanentError:
                return
            else:
                return

    def _note(self, summary: Summary, *, rule: str, problem: str) -> None:
        now = self._sandbox.clock.now()
        self._log.append(
            Released(mail=summary.id, at=now, rule=rule, relay=str(self.relay), problem=problem)
        )

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check(self, name: str, rule: SandboxForwardSettings) -> None:
        where = f"sandbox_forward.{name}"
        self._sandbox.query(rule.search)
        for each in rule.recipients:
            if not self.allows(parse_mailbox(each)):
                raise PermanentError(f"{where}: {each} is not in sandbox_release.recipients")


def _relay(settings: SandboxReleaseSettings) -> MailUrl:
    try:
        relay = parse_mail_url(settings.relay)
    except MailUrlInvalid as error:
        raise PermanentError(f"sandbox_release.relay: {error}") from error
    return dataclasses.replace(relay, password=settings.password or relay.password)


def _people(patterns: tuple[str, ...], where: str) -> Senders:
    try:
        return Senders(patterns)
    except NoSenderPattern as error:
        raise PermanentError(
            f"{where}: {str(error).replace('sender pattern', 'pattern')}"
        ) from error


def _return_path(settings: SandboxReleaseSettings) -> Mailbox | None:
    if not settings.return_path:
        return None
    try:
        return parse_mailbox(settings.return_path)
    except PermanentError as error:
        raise PermanentError(f"sandbox_release.return_path: {error}") from error


def _told(mailbox: Mailbox, outcome: RecipientOutcome) -> ReleasedRecipient:
    reply = str(outcome.reply) if outcome.reply is not None else outcome.reason
    return ReleasedRecipient(str(mailbox), outcome.is_delivered, reply)


def _may_pass(outcome: RecipientOutcome) -> bool:
    """Whether another try may help; where the relay may have taken it, none is made."""
    if outcome.reply is None:
        return not outcome.is_uncertain
    return outcome.reply.is_transient


def _why_not_open(failed: OpenFailed) -> str:
    if failed.reply is not None:
        return f"The relay says: {failed.reply}"
    return f"The relay cannot be used: {failed}"
