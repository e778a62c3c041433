"""The effect of a write on a stored recipient, and which recipients a selection matches.

These are the rules for every adapter; the memory adapter runs them as they are, the SQL of the
others says the same, and the contract suite compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from pillarbox.policy.queue import FINAL_STATES, RecipientState
from pillarbox.smtp.address import ascii_domain
from pillarbox.store.port import (
    Change,
    Changed,
    KeptMessage,
    KeptRecipient,
    MessageId,
    Selection,
    Settlement,
    Way,
)

__all__ = [
    "SelectedAddress",
    "can_settle",
    "change_recipient",
    "changed",
    "is_done",
    "matches",
    "settle",
    "start",
]

_ATTEMPTABLE: Final = frozenset({RecipientState.QUEUED, RecipientState.UNCERTAIN})
_LOWER_CASE: Final = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_UNDECIDED: Final = _ATTEMPTABLE | {RecipientState.IN_FLIGHT}


def is_done(recipient: KeptRecipient) -> bool:
    """Whether nothing will happen to a recipient any more, so that it needs no body.

    That is a final state, or an uncertain delivery that policy does not try again.
    """
    if recipient.state is RecipientState.UNCERTAIN:
        return recipient.next_attempt_at is None
    return recipient.state in FINAL_STATES


def start(recipient: KeptRecipient) -> KeptRecipient:
    """Mark an attempt; what an operator has held or canceled meanwhile stays as it is."""
    if recipient.state not in _ATTEMPTABLE:
        return recipient
    return replace(
        recipient,
        state=RecipientState.IN_FLIGHT,
        attempts=recipient.attempts + 1,
        next_attempt_at=None,
    )


def can_settle(old: RecipientState, new: RecipientState) -> bool:
    """Whether a result may replace a state.

    A held or finished recipient takes nothing but an end: a deferral that comes in late
    must not bring back what an operator has canceled.
    """
    return old in _UNDECIDED or new in FINAL_STATES


def settle(recipient: KeptRecipient, result: Settlement) -> KeptRecipient:
    """Record the result of an attempt."""
    if not can_settle(recipient.state, result.state):
        return recipient
    return replace(
        recipient,
        state=result.state,
        attempts=result.attempts,
        next_attempt_at=result.next_attempt_at,
        last_reply=result.last_reply,
        delay_notified=result.delay_notified,
    )


def _retry(recipient: KeptRecipient, now: float) -> KeptRecipient:
    return replace(recipient, next_attempt_at=now)


def _hold(recipient: KeptRecipient, now: float) -> KeptRecipient:
    del now
    return replace(recipient, state=RecipientState.HELD, next_attempt_at=None)


def _release(recipient: KeptRecipient, now: float) -> KeptRecipient:
    return replace(recipient, state=RecipientState.QUEUED, crashes=0, next_attempt_at=now)


def _cancel(recipient: KeptRecipient, now: float) -> KeptRecipient:
    del now
    return replace(recipient, state=RecipientState.CANCELED, next_attempt_at=None)


_Step = Callable[[KeptRecipient, float], KeptRecipient]

_CHANGES: Final[dict[Change, tuple[frozenset[RecipientState], _Step]]] = {
    Change.RETRY: (_ATTEMPTABLE, _retry),
    Change.HOLD: (_ATTEMPTABLE, _hold),
    Change.RELEASE: (frozenset({RecipientState.HELD}), _release),
    Change.CANCEL: (_ATTEMPTABLE | {RecipientState.HELD}, _cancel),
}


def change_recipient(
    recipient: KeptRecipient, change: Change, now: float, way: Way | None = None
) -> KeptRecipient | None:
    """Return a recipient after an operator's change, or None if the change does not apply."""
    states, step = _CHANGES[change]
    if recipient.state not in states or is_done(recipient):
        return None
    new = step(recipient, now)
    if way is None:
        return new
    return replace(new, queue=replace(new.queue, route=way.route, source=way.source))


def changed(message: MessageId, old: KeptRecipient, new: KeptRecipient) -> Changed:
    """Return what to tell the scheduler about a change."""
    moved_from = old.queue if old.queue != new.queue else None
    return Changed(message, new.index, new.queue, new.state, new.next_attempt_at, moved_from)


def matches(selection: Selection, message: KeptMessage, recipient: KeptRecipient) -> bool:
    """Whether a selection matches this recipient of this message."""
    return _matches_message(selection, message) and _matches_recipient(
        selection, message, recipient
    )


@dataclass(frozen=True, slots=True)
class SelectedAddress:
    """An address as an operator writes it, ready to be compared; None compares with all.

    ASCII letters are alike in both cases, others only if they are the same, because that
    is what both databases can do.
    """

    local_part: str | None = None
    domain: str | None = None  # in its spelling
    destination: str | None = None  # as in QueueKey

    @classmethod
    def parse(cls, text: str | None) -> SelectedAddress:
        """Read ``local_part@domain``, the local part quoted or not."""
        if not text:
            return cls()
        local_part, separator, domain = text.rpartition("@")
        if not separator:
            local_part, domain = text, ""
        if len(local_part) > 1 and local_part[0] == local_part[-1] == '"':
            local_part = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
        return cls(_fold(local_part), _fold(domain), ascii_domain(domain))


def _fold(text: str) -> str:
    return text.translate(_LOWER_CASE)


def _matches_message(selection: Selection, message: KeptMessage) -> bool:
    if selection.messages is not None and message.id not in selection.messages:
        return False
    sender = message.envelope.reverse_path
    if selection.sender is not None:
        wanted = SelectedAddress.parse(selection.sender)
        found = (None, None) if sender is None else (_fold(sender.local_part), _fold(sender.domain))
        if found != (wanted.local_part, wanted.domain):
            return False
    if selection.accepted_before is not None and message.accepted_at >= selection.accepted_before:
        return False
    if selection.accepted_after is not None and message.accepted_at < selection.accepted_after:
        return False
    return selection.message_id_header in {None, message.message_id_header}


def _matches_recipient(
    selection: Selection, message: KeptMessage, recipient: KeptRecipient
) -> bool:
    if selection.states is None:
        if recipient.state in FINAL_STATES:
            return False
    elif recipient.state not in selection.states:
        return False
    destination = recipient.queue.destination
    wanted = SelectedAddress.parse(selection.recipient)
    local_part = _fold(message.envelope.recipients[recipient.index].address.local_part)
    if wanted.local_part not in {None, local_part} or wanted.destination not in {None, destination}:
        return False
    domain = selection.recipient_domain
    return domain is None or destination == ascii_domain(domain)
