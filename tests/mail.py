"""Messages as the store keeps them, made for tests."""

from __future__ import annotations

import zlib
from itertools import count

from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client_commands import xtext
from pillarbox.smtp.envelope import Envelope, Notify, Recipient
from pillarbox.store.ids import first_id_at
from pillarbox.store.port import KeptMessage, KeptRecipient, MessageId, Settlement

NOW = 1_800_000_000.0
"""The wall clock of tests that do not move it."""

_sequence = count()


def message_id(at: float = NOW) -> MessageId:
    """Return a new id that says a message was accepted at ``at``."""
    return MessageId(first_id_at(at) + next(_sequence) % (1 << 22))


def kept_message(
    *recipients: str,
    message: MessageId | None = None,
    at: float = NOW,
    due: float | None = None,
    content: bytes = b"Subject: hello\r\n\r\nHello.\r\n",
    sender: str | None = "ann@example.com",
    lane: str = "",
    is_large: bool = False,
) -> KeptMessage:
    """Make a message to one recipient or several, all due at once."""
    addresses = [address_of(text) for text in recipients or ("bob@example.org",)]
    return KeptMessage(
        id=message_id(at) if message is None else message,
        accepted_at=at,
        envelope=Envelope(
            reverse_path=None if sender is None else address_of(sender),
            recipients=tuple(
                Recipient(address, Notify.FAILURE | Notify.DELAY, original_of(address))
                for address in addresses
            ),
        ),
        recipients=tuple(
            KeptRecipient(
                index=index,
                queue=QueueKey(lane, address.ascii_domain, "mx", ""),
                next_attempt_at=at if due is None else due,
            )
            for index, address in enumerate(addresses)
        ),
        size=len(content),
        content=None if is_large else content,
        checksum=zlib.crc32(content),
        header_size=18,
        message_id_header="<1@example.com>",
        origin="test",
        identity="ann",
        client="192.0.2.1",
    )


def address_of(text: str) -> Mailbox:
    """Read ``local_part@domain``."""
    local_part, _, domain = text.rpartition("@")
    return Mailbox(local_part, domain)


def original_of(address: Mailbox) -> str | None:
    """Return an address as ORCPT gives it (RFC 3461 §4.2); None where that needs UTF-8."""
    text = xtext(str(address))
    return None if text is None else f"rfc822;{text}"


def delivered(message: KeptMessage, index: int = 0) -> Settlement:
    """Return the result of an attempt that worked."""
    return Settlement(
        message=message.id,
        index=index,
        state=RecipientState.DELIVERED,
        attempts=1,
        next_attempt_at=None,
        last_reply="250 2.0.0 Ok",
    )


def deferred(message: KeptMessage, index: int = 0, *, until: float = NOW + 300) -> Settlement:
    """Return the result of an attempt that is to be repeated."""
    return Settlement(
        message=message.id,
        index=index,
        state=RecipientState.QUEUED,
        attempts=1,
        next_attempt_at=until,
        last_reply="451 4.3.0 Later",
    )
