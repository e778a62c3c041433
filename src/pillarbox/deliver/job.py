"""The unit of work: one message for some recipients of one site."""

from __future__ import annotations

from pillarbox.smtp.envelope import Envelope
from pillarbox.store.ids import show_id
from pillarbox.store.port import KeptMessage, KeptRecipient, StartMark

__all__ = ["Job"]


class Job:
    """Recipients of one message that go out in one transaction.

    Text that its events, settlements and log lines share is formatted once, here.
    """

    __slots__ = ("addresses", "id_text", "message", "octets", "recipients", "sender")

    def __init__(
        self, message: KeptMessage, recipients: tuple[KeptRecipient, ...], octets: int
    ) -> None:
        self.message = message
        self.recipients = recipients
        self.octets = octets  # of content that the scheduler holds in memory for it
        self.id_text = show_id(message.id)
        envelope = message.envelope
        self.sender = "" if envelope.reverse_path is None else str(envelope.reverse_path)
        self.addresses = {  # of the recipients, by their index
            kept.index: str(envelope.recipients[kept.index].address) for kept in recipients
        }

    def start_mark(self) -> StartMark:
        """Return the start mark, which records on disk that this is about to be tried."""
        recipients = self.recipients
        if len(recipients) == 1:
            return StartMark(self.message.id, (recipients[0].index,))
        return StartMark(self.message.id, tuple(recipient.index for recipient in recipients))

    def envelope(self) -> Envelope:
        """Return the message's envelope with these recipients only."""
        whole = self.message.envelope
        if len(self.recipients) == len(whole.recipients):
            return whole
        return Envelope(
            reverse_path=whole.reverse_path,
            recipients=tuple(whole.recipients[kept.index] for kept in self.recipients),
            body=whole.body,
            smtputf8=whole.smtputf8,
            ret=whole.ret,
            envelope_id=whole.envelope_id,
            tls_required=whole.tls_required,
        )
