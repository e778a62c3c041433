"""Notifications to senders, made from rulings (RFC 3461, RFC 3464).

A notification is a new message from the null sender. It is committed together with the result that
it reports, so neither is on disk without the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from pillarbox.deliver.content import read_start
from pillarbox.deliver.steady import SteadyClock
from pillarbox.deliver.verdict import Ruling
from pillarbox.errors import PillarboxError
from pillarbox.events.types import DsnCreated, Sink
from pillarbox.message.dsn import (
    MAX_RETURNED,
    Action,
    Dsn,
    Original,
    RecipientReport,
    Report,
    build_dsn,
    status_of,
)
from pillarbox.policy.notify import is_dsn_owed
from pillarbox.policy.queue import QueueFor
from pillarbox.policy.retry import RetrySchedule
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Notify, Recipient, Ret, TlsRequired
from pillarbox.smtp.reply import EnhancedCode
from pillarbox.store.ids import IdMaker, show_id
from pillarbox.store.port import KeptMessage, KeptRecipient, MessageId, Store

__all__ = ["Addressees", "Notices", "Sign"]

Addressees = Callable[[Mailbox], Sequence[Mailbox]]
"""Returns who gets mail for a sender: itself, the targets of an alias, or nobody."""

Sign = Callable[[Mailbox, bytes, bytes], Awaitable[bytes]]
"""Returns the signature fields for a message (author, header, body); empty if no key matches."""

_DELIVERED = EnhancedCode(2, 0, 0)


@dataclass(frozen=True, slots=True)
class Notices:
    """Makes notifications."""

    hostname: str
    author: Mailbox
    store: Store
    schedule: RetrySchedule
    clock: SteadyClock
    ids: IdMaker
    queue_for: QueueFor
    addressees: Addressees
    sink: Sink
    sign: Sign | None = None  # None: not signed

    def owed(self, message: KeptMessage, rulings: Sequence[Ruling]) -> list[Ruling]:
        """Return the rulings that a message's sender must be notified of."""
        envelope = message.envelope
        return [
            ruling
            for ruling in rulings
            if ruling.action is not None
            and is_dsn_owed(
                ruling.action,
                envelope.reverse_path,
                envelope.recipients[ruling.recipient.index].notify,
            )
        ]

    async def make(self, message: KeptMessage, owed: Sequence[Ruling]) -> list[KeptMessage]:
        """Return the notifications that are due: one for each action."""
        sender = message.envelope.reverse_path
        addressees = () if sender is None or not owed else self.addressees(sender)
        if sender is None or not addressees:  # an unknown local sender gets no notification
            return []
        original = await self._original(message)
        return [
            await self._notify(message, sender, list(group), original, addressees)
            for _, group in groupby(sorted(owed, key=_order), key=_action)
        ]

    async def _notify(
        self,
        message: KeptMessage,
        sender: Mailbox,
        rulings: Sequence[Ruling],
        original: Original,
        addressees: Sequence[Mailbox],
    ) -> KeptMessage:
        number = self.ids.next()
        report = Report(
            message_id=f"<{show_id(number)}@{self.hostname}>",
            hostname=self.hostname,
            author=self.author,
            to=sender,
            at=self.clock.now(),
            arrived_at=message.accepted_at,
            recipients=tuple(self._recipient(message, ruling) for ruling in rulings),
            original=original,
            envelope_id=message.envelope.envelope_id,
            ret=_returned(message.envelope),
        )
        self.sink(
            DsnCreated(
                at=report.at,
                message=show_id(message.id),
                dsn=show_id(number),
                recipient=str(sender),
                action=report.recipients[0].action.value,
            )
        )
        return await self._kept(number, message, report, addressees)

    def _recipient(self, message: KeptMessage, ruling: Ruling) -> RecipientReport:
        action = ruling.action or Action.FAILED
        outcome = ruling.outcome
        words = ruling.settlement.last_reply
        is_theirs = outcome is not None and outcome.reply is not None and not outcome.is_local
        status = status_of(words, is_permanent=action is Action.FAILED)
        if action in {Action.DELIVERED, Action.RELAYED}:
            status = _DELIVERED
        elif action is Action.FAILED and outcome is not None and ruling.is_too_old:
            status = EnhancedCode(5, 4, 7)  # RFC 3463 §3.5: delivery time expired
        until = None
        if action is Action.DELAYED:
            until = self.schedule.expires_at(message.accepted_at, is_bounce=False)
        return RecipientReport(
            recipient=message.envelope.recipients[ruling.recipient.index],
            action=action,
            status=status,
            diagnostic=words,
            remote=ruling.host if is_theirs else "",
            last_attempt_at=self.clock.now(),
            will_retry_until=until,
        )

    async def _original(self, message: KeptMessage) -> Original:
        size = message.size if message.size <= MAX_RETURNED else message.header_size
        try:
            octets = await read_start(message, self.store, size)
        except PillarboxError:  # the notification goes out without the original
            octets = b""
        return Original(
            octets=octets,
            header_size=min(message.header_size, len(octets)),
            is_whole=len(octets) == message.size,
            has_long_lines=message.has_long_lines,
            message_id=message.message_id_header,
        )

    async def _kept(
        self,
        number: MessageId,
        message: KeptMessage,
        report: Report,
        addressees: Sequence[Mailbox],
    ) -> KeptMessage:
        dsn = await self._signed(build_dsn(report))
        required = message.envelope.tls_required
        return KeptMessage(
            id=number,
            accepted_at=report.at,
            envelope=Envelope(
                reverse_path=None,
                recipients=tuple(Recipient(each, notify=Notify.NEVER) for each in addressees),
                smtputf8=dsn.needs_smtputf8,
                tls_required=required,
            ),
            recipients=tuple(
                KeptRecipient(
                    index=index,
                    queue=self.queue_for(None, each).apart(required),
                    next_attempt_at=report.at,
                )
                for index, each in enumerate(addressees)
            ),
            size=len(dsn.content),
            content=dsn.content,
            checksum=zlib.crc32(dsn.content),
            header_size=dsn.header_size,
            has_8bit=not dsn.content.isascii(),
            message_id_header=report.message_id,
            origin="dsn",
            bounce_of=message.id,
        )

    async def _signed(self, dsn: Dsn) -> Dsn:
        """Sign a notification for its author's domain, so that it can pass DMARC."""
        # With the null sender, SPF covers only our EHLO name (RFC 7489 §3.1.2).
        if self.sign is None:
            return dsn
        header, body = dsn.content[: dsn.header_size], dsn.content[dsn.header_size :]
        try:
            fields = await self.sign(self.author, header, body)
        except PillarboxError:  # an unsigned notification is better than none
            return dsn
        return Dsn(fields + dsn.content, len(fields) + dsn.header_size, dsn.needs_smtputf8)


def _returned(envelope: Envelope) -> Ret | None:
    """Return how much of a message is returned to its sender."""
    # RFC 8689 §5: with REQUIRETLS never the content, whatever was requested.
    return Ret.HEADERS if envelope.tls_required is TlsRequired.YES else envelope.ret


def _order(ruling: Ruling) -> tuple[str, int]:
    return _action(ruling), ruling.recipient.index


def _action(ruling: Ruling) -> str:
    return "" if ruling.action is None else ruling.action.value
