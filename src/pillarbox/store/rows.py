"""Converts messages and recipients to rows of the two databases, and back.

The order of the fields here is the order of the columns in every statement that writes or reads a
whole message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import BodyType, Envelope, Notify, Recipient, Ret, TlsRequired
from pillarbox.store.port import KeptMessage, KeptRecipient, MessageId, Settlement

__all__ = ["message_row", "read_message", "recipient_row", "settlement_row", "storable"]

Row = Sequence[Any]

_STATES: Final = tuple(RecipientState)
_BODY_TYPES: Final = {kind.value: kind for kind in BodyType}
_NUL: Final = "\0"


def storable(reply: str) -> str:
    """Return a reply that every database takes: a result must never be lost for its text."""
    if reply.isascii() and _NUL not in reply:
        return reply
    return reply.replace(_NUL, "\ufffd").encode("utf-8", "replace").decode("utf-8")


def message_row(message: KeptMessage) -> tuple[Any, ...]:
    """Return the columns of a message, without its body."""
    envelope = message.envelope
    sender = envelope.reverse_path
    return (
        message.id,
        message.accepted_at,
        None if sender is None else sender.local_part,
        None if sender is None else sender.domain,
        envelope.body.value,
        envelope.smtputf8,
        None if envelope.ret is None else envelope.ret.value,
        envelope.envelope_id,
        message.size,
        message.checksum,
        message.header_size,
        message.has_8bit,
        message.has_long_lines,
        message.message_id_header,
        message.origin,
        message.identity,
        message.client,
        message.bounce_of,
    )


def recipient_row(message: KeptMessage, recipient: KeptRecipient, queue: int) -> tuple[Any, ...]:
    """Return the columns of a recipient; ``queue`` is the number of its queue."""
    sent_to = message.envelope.recipients[recipient.index]
    return (
        message.id,
        recipient.index,
        queue,
        recipient.state.value,
        recipient.attempts,
        recipient.crashes,
        recipient.next_attempt_at,
        storable(recipient.last_reply),
        recipient.delay_notified,
        sent_to.address.local_part,
        sent_to.address.domain,
        None if sent_to.notify is None else sent_to.notify.value,
        sent_to.original,
    )


def settlement_row(result: Settlement) -> tuple[Any, ...]:
    """Return the columns of a result."""
    return (
        result.message,
        result.index,
        result.state.value,
        result.attempts,
        result.next_attempt_at,
        storable(result.last_reply),
        result.delay_notified,
    )


def read_message(
    row: Row, recipients: Iterable[Row], queue: Callable[[int], QueueKey]
) -> KeptMessage:
    """Build a message, without its content, from its row and those of all its recipients."""
    kept: list[KeptRecipient] = []
    sent_to: list[Recipient] = []
    for recipient in recipients:
        kept.append(_read_recipient(recipient, queue))
        local_part, domain, notify, original = recipient[9:13]
        sent_to.append(
            Recipient(
                Mailbox(local_part, domain), None if notify is None else Notify(notify), original
            )
        )
    return KeptMessage(
        id=MessageId(row[0]),
        accepted_at=row[1],
        envelope=Envelope(
            reverse_path=None if row[2] is None else Mailbox(row[2], row[3]),
            recipients=tuple(sent_to),
            body=_BODY_TYPES[row[4]],
            smtputf8=bool(row[5]),
            ret=None if row[6] is None else Ret(row[6]),
            envelope_id=row[7],
            # Kept in the names of the queues: mail that asks for it waits in others.
            tls_required=kept[0].queue.tls_required if kept else TlsRequired.BY_POLICY,
        ),
        recipients=tuple(kept),
        size=row[8],
        content=None,
        checksum=row[9],
        header_size=row[10],
        has_8bit=bool(row[11]),
        has_long_lines=bool(row[12]),
        message_id_header=row[13],
        origin=row[14],
        identity=row[15],
        client=row[16],
        bounce_of=None if row[17] is None else MessageId(row[17]),
    )


def _read_recipient(row: Row, queue: Callable[[int], QueueKey]) -> KeptRecipient:
    return KeptRecipient(
        index=row[1],
        queue=queue(row[2]),
        state=_STATES[row[3]],
        attempts=row[4],
        crashes=row[5],
        next_attempt_at=row[6],
        last_reply=row[7],
        delay_notified=bool(row[8]),
    )
