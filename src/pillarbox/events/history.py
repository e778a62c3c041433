"""The history of a message: its journal entries as lines for people, oldest first.

Guarantees: text from peers is escaped, so a history can be printed to a terminal. An entry of an
    unknown kind is shown by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pillarbox.events.encode import decode
from pillarbox.events.text import escape, show_time
from pillarbox.events.types import (
    AttemptMade,
    CheckRuled,
    DsnCreated,
    Event,
    MessageAccepted,
    MessageDamaged,
    MessageJudged,
    RecipientBounced,
    RecipientCanceled,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    RecipientReleased,
    RecipientRetried,
    RecipientUncertain,
)

__all__ = ["Chapter", "tell"]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One thing that happened to a message."""

    at: float  # wall clock, seconds
    what: str  # one word: "accepted", "attempt", "deferred", ...
    text: str  # one line
    conversation: tuple[str, ...] = ()  # of an attempt: "> MAIL FROM:<a@b>", "< 250 ok"


def tell(payloads: Iterable[bytes]) -> Iterator[Chapter]:
    """Turn the journal entries of a message into chapters, in the order they are given."""
    for payload in payloads:
        event = decode(payload)
        if event is None:
            yield _unknown(payload)
            continue
        write = _WRITERS.get(type(event))
        what, text = write(event) if write else (type(event).__struct_config__.tag, "")
        conversation = event.conversation if isinstance(event, AttemptMade) else ()
        yield Chapter(event.at, str(what), escape(text), tuple(map(escape, conversation)))


def _unknown(payload: bytes) -> Chapter:
    try:
        fields = msgspec.json.decode(payload)
        return Chapter(float(fields["at"]), escape(str(fields["event"])), "(not known here)")
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return Chapter(0.0, "unreadable", "an entry that is not an event")


def _accepted(event: MessageAccepted) -> tuple[str, str]:
    who = f" as {event.identity}" if event.identity else ""
    tls = f", {event.tls}" if event.tls else ""
    helo = f" ({event.helo})" if event.helo else ""
    to = ", ".join(event.recipients)
    return "accepted", (
        f"<{event.sender}> to {to}; {event.size:,} octets from {event.client or 'this machine'}"
        f"{helo}{who} on {event.listener}{tls}"
    )


def _attempt(event: AttemptMade) -> tuple[str, str]:
    peer = f"{event.host} [{event.address}]" if event.address else event.host or "nobody"
    source = f" from {event.source}" if event.source else ""
    tls = f", {event.tls}" if event.tls else ", in the clear" if event.address else ""
    to = ", ".join(event.recipients)
    return "attempt", f"{to} at {peer}{source} by route {event.route}{tls}; {event.seconds:.2f} s"


def _delivered(event: RecipientDelivered) -> tuple[str, str]:
    return "delivered", f"{event.recipient}: {event.reply or 'done'} (after {event.delay:.1f} s)"


def _deferred(event: RecipientDeferred) -> tuple[str, str]:
    stage = f" at {event.stage}" if event.stage else ""
    why = event.reply or event.reason
    return "deferred", f"{event.recipient}{stage}: {why}; {_again(event.next_attempt_at)}"


def _uncertain(event: RecipientUncertain) -> tuple[str, str]:
    return "uncertain", (
        f"{event.recipient}: no reply to the final dot, it may have arrived; "
        f"{_again(event.next_attempt_at)}"
    )


def _again(at: float | None) -> str:
    return f"next attempt {show_time(at)[:19]}Z" if at else "not tried again"


def _bounced(event: RecipientBounced) -> tuple[str, str]:
    stage = f" at {event.stage}" if event.stage else ""
    return "bounced", f"{event.recipient}{stage}: {event.reply or event.reason}"


def _held(event: RecipientHeld) -> tuple[str, str]:
    return "held", f"{event.recipient}: {event.reason}"


def _judged(event: MessageJudged) -> tuple[str, str]:
    signatures = ", ".join(event.dkim) or "none"
    return "judged", (
        f"dmarc={event.dmarc} for {event.author or 'nobody'}"
        f" (spf: {event.spf}; dkim: {signatures}; arc: {event.arc})"
    )


def _ruled(event: CheckRuled) -> tuple[str, str]:
    what = f"{event.check}: {event.reason}" if event.reason else event.check
    seen = f" ({'; '.join(event.evidence)})" if event.evidence else ""
    return "checked", f"{event.ruling}, {what}{seen}"


def _released(event: RecipientReleased) -> tuple[str, str]:
    return "released", f"{event.recipient}: queued again by an operator"


def _retried(event: RecipientRetried) -> tuple[str, str]:
    return "retried", f"{event.recipient}: made due now by an operator"


def _canceled(event: RecipientCanceled) -> tuple[str, str]:
    return "canceled", f"{event.recipient}: given up by an operator, nobody is told"


def _dsn(event: DsnCreated) -> tuple[str, str]:
    return "notified", f"{event.recipient} is told ({event.action}) by message {event.dsn}"


def _damaged(event: MessageDamaged) -> tuple[str, str]:
    return "damaged", event.reason


_WRITERS: Final[dict[type[Event], Callable[[Any], tuple[str, str]]]] = {
    MessageAccepted: _accepted,
    AttemptMade: _attempt,
    RecipientDelivered: _delivered,
    RecipientDeferred: _deferred,
    RecipientUncertain: _uncertain,
    RecipientBounced: _bounced,
    MessageJudged: _judged,
    CheckRuled: _ruled,
    RecipientHeld: _held,
    RecipientReleased: _released,
    RecipientRetried: _retried,
    RecipientCanceled: _canceled,
    DsnCreated: _dsn,
    MessageDamaged: _damaged,
}
