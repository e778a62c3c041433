"""What an outcome means for a recipient: its next state, the event, and who is notified.

``pillarbox.policy`` makes the decisions; this module supplies the time, the randomness and the
text.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final, NamedTuple

from pillarbox.config.settings import QueueSettings, UncertainPolicy
from pillarbox.deliver.job import Job
from pillarbox.deliver.steady import SteadyClock
from pillarbox.deliver.transport import Peer
from pillarbox.events.types import (
    Event,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    RecipientUncertain,
)
from pillarbox.message.dsn import Action
from pillarbox.net.transaction import RecipientOutcome
from pillarbox.policy.queue import RecipientState
from pillarbox.policy.replies import Scope, classify
from pillarbox.policy.retry import (
    RetrySchedule,
    is_delay_notice_due,
    is_expired,
    next_attempt_at,
    retry_hint,
)
from pillarbox.store.port import KeptMessage, KeptRecipient, Settlement

__all__ = ["Judge", "Ruling", "schedule_of"]

_LONGEST_REPLY: Final = 1_000


class Ruling(NamedTuple):  # created for each delivery, in a third of a dataclass's time
    """The decision about one recipient."""

    recipient: KeptRecipient
    settlement: Settlement
    event: Event
    action: Action | None = None  # the action in a notification, if one is due
    outcome: RecipientOutcome | None = None
    blames_site: bool = False
    is_too_old: bool = False
    host: str = ""  # the host that replied


def schedule_of(settings: QueueSettings) -> RetrySchedule:
    """Return the retry schedule of the settings."""
    return RetrySchedule(
        first_wait=settings.first_retry,
        longest_wait=settings.max_retry,
        lifetime=settings.lifetime,
        bounce_lifetime=settings.bounce_lifetime,
        delay_notice=settings.delay_notice,
    )


class Judge:
    """Makes rulings on outcomes."""

    def __init__(self, settings: QueueSettings, clock: SteadyClock, random: Random) -> None:
        """Decide by the queue's settings; ``random`` adds jitter to retries."""
        self._settings = settings
        self._schedule = schedule_of(settings)
        self._clock = clock
        self._random = random

    def use(self, settings: QueueSettings) -> None:
        """Use new settings."""
        self._settings = settings
        self._schedule = schedule_of(settings)

    def delivered(
        self, job: Job, recipient: KeptRecipient, outcome: RecipientOutcome, peer: Peer, at: float
    ) -> Ruling:
        """Return the ruling on a recipient whose message was accepted."""
        reply = str(outcome.reply) if outcome.reply is not None else ""
        attempts = recipient.attempts + 1
        settlement = Settlement(
            message=job.message.id,
            index=recipient.index,
            state=RecipientState.DELIVERED,
            attempts=attempts,
            next_attempt_at=None,
            last_reply=reply[:_LONGEST_REPLY],
            delay_notified=recipient.delay_notified,
        )
        event = RecipientDelivered(
            at=at,
            message=job.id_text,
            recipient=job.addresses[recipient.index],
            sender=job.sender,
            route=recipient.queue.route,
            host=peer.host,
            address=peer.address,
            reply=reply,
            attempt=attempts,
            delay=round(at - job.message.accepted_at, 3),
        )
        return Ruling(recipient, settlement, event, None, outcome, host=peer.host)

    def failed(
        self,
        job: Job,
        recipient: KeptRecipient,
        outcome: RecipientOutcome,
        peer: Peer,
        *,
        was_tried: bool = True,
        not_before: float = 0.0,
    ) -> Ruling:
        """Return the ruling on a recipient that was not delivered to.

        Args:
            job: The job.
            recipient: The recipient.
            outcome: The outcome of the attempt.
            peer: The peer that replied.
            was_tried: Whether this counts as an attempt.
            not_before: Wall-clock time of the earliest retry.
        """
        verdict = classify(outcome.stage, outcome.reply)
        attempts = recipient.attempts + was_tried
        if outcome.is_uncertain:
            return self._uncertain(job, recipient, outcome, peer, attempts)
        # Failures to read our store or write a mailbox reveal nothing about the site.
        blames_site = verdict.scope is Scope.SITE and not outcome.is_local
        if verdict.is_permanent:
            return self._bounced(job, recipient, outcome, peer, attempts)
        now = self._clock.now()
        message = job.message
        is_bounce = message.envelope.reverse_path is None
        if is_expired(
            self._schedule,
            now=now,
            accepted_at=message.accepted_at,
            is_bounce=is_bounce,
            last_attempt_at=now if was_tried else None,
            jumped_at=self._clock.jumped_at,
        ):
            return self._bounced(job, recipient, outcome, peer, attempts, is_too_old=True)
        due = not_before
        if was_tried:
            due = max(due, self._next(message, attempts, outcome))
        return self._deferred(job, recipient, outcome, peer, attempts, due, blames_site)

    def held(self, job: Job, recipient: KeptRecipient, reason: str) -> Ruling:
        """Return the ruling on a recipient that is held until it is released."""
        settlement = _settlement(job, recipient, RecipientState.HELD, recipient.attempts, reason)
        event = RecipientHeld(
            at=self._clock.now(),
            message=job.id_text,
            recipient=job.addresses[recipient.index],
            reason=reason,
        )
        return Ruling(recipient, settlement, event)

    def untouched(self, job: Job, recipient: KeptRecipient) -> Settlement:
        """Return the settlement that undoes a start mark: nothing was tried."""
        return _settlement(
            job,
            recipient,
            RecipientState.QUEUED,
            recipient.attempts,
            recipient.last_reply,
            due=self._clock.now(),
        )

    def _next(self, message: KeptMessage, attempts: int, outcome: RecipientOutcome) -> float:
        reply = outcome.reply
        return next_attempt_at(
            self._schedule,
            now=self._clock.now(),
            accepted_at=message.accepted_at,
            attempts=attempts,
            jitter=self._random.random(),
            hint=retry_hint(reply) if reply is not None and not outcome.is_local else None,
            is_bounce=message.envelope.reverse_path is None,
        )

    def _deferred(
        self,
        job: Job,
        recipient: KeptRecipient,
        outcome: RecipientOutcome,
        peer: Peer,
        attempts: int,
        due: float,
        blames_site: bool,  # noqa: FBT001 - private, and named at its only call
    ) -> Ruling:
        now = self._clock.now()
        is_late = is_delay_notice_due(
            self._schedule,
            now=now,
            accepted_at=job.message.accepted_at,
            was_notified=recipient.delay_notified,
        )
        settlement = _settlement(
            job,
            recipient,
            RecipientState.QUEUED,
            attempts,
            _words(outcome),
            due=due,
            delay_notified=recipient.delay_notified or is_late,
        )
        event = RecipientDeferred(
            **_facts(job, recipient, outcome, peer, attempts, now),
            next_attempt_at=round(due, 3),
            stage=outcome.stage.value,
            reason=outcome.reason,
        )
        action = Action.DELAYED if is_late else None
        return Ruling(recipient, settlement, event, action, outcome, blames_site, host=peer.host)

    def _bounced(
        self,
        job: Job,
        recipient: KeptRecipient,
        outcome: RecipientOutcome,
        peer: Peer,
        attempts: int,
        *,
        is_too_old: bool = False,
    ) -> Ruling:
        now = self._clock.now()
        reason = f"too old; last: {_words(outcome)}" if is_too_old else outcome.reason
        settlement = _settlement(job, recipient, RecipientState.BOUNCED, attempts, _words(outcome))
        event = RecipientBounced(
            **_facts(job, recipient, outcome, peer, attempts, now),
            stage=outcome.stage.value,
            reason=reason,
        )
        return Ruling(
            recipient,
            settlement,
            event,
            Action.FAILED,
            outcome,
            is_too_old=is_too_old,
            host=peer.host,
        )

    def _uncertain(
        self,
        job: Job,
        recipient: KeptRecipient,
        outcome: RecipientOutcome,
        peer: Peer,
        attempts: int,
    ) -> Ruling:
        now = self._clock.now()
        message = job.message
        due: float | None = None
        if self._settings.uncertain is UncertainPolicy.RETRY:
            if is_expired(
                self._schedule,
                now=now,
                accepted_at=message.accepted_at,
                is_bounce=message.envelope.reverse_path is None,
                last_attempt_at=now,
                jumped_at=self._clock.jumped_at,
            ):
                return self._bounced(job, recipient, outcome, peer, attempts, is_too_old=True)
            due = self._next(message, attempts, outcome)
        settlement = _settlement(
            job, recipient, RecipientState.UNCERTAIN, attempts, _words(outcome), due=due
        )
        event = RecipientUncertain(
            **_facts(job, recipient, outcome, peer, attempts, now), next_attempt_at=due
        )
        return Ruling(recipient, settlement, event, None, outcome)


def _settlement(
    job: Job,
    recipient: KeptRecipient,
    state: RecipientState,
    attempts: int,
    words: str,
    *,
    due: float | None = None,
    delay_notified: bool | None = None,
) -> Settlement:
    return Settlement(
        message=job.message.id,
        index=recipient.index,
        state=state,
        attempts=attempts,
        next_attempt_at=due,
        last_reply=words[:_LONGEST_REPLY],
        delay_notified=recipient.delay_notified if delay_notified is None else delay_notified,
    )


def _facts(
    job: Job,
    recipient: KeptRecipient,
    outcome: RecipientOutcome,
    peer: Peer,
    attempts: int,
    now: float,
) -> dict[str, Any]:
    return {
        "at": now,
        "message": job.id_text,
        "recipient": job.addresses[recipient.index],
        "sender": job.sender,
        "route": recipient.queue.route,
        "host": peer.host,
        "address": peer.address,
        "reply": "" if outcome.reply is None else str(outcome.reply),
        "attempt": attempts,
        "delay": round(now - job.message.accepted_at, 3),
    }


def _words(outcome: RecipientOutcome) -> str:
    """Return the reason in one line: the reply if there is one, else our own reason."""
    if outcome.reply is None:
        return f"{outcome.stage.value}: {outcome.reason}"
    return str(outcome.reply)
