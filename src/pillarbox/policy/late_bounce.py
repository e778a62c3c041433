"""The notification that ``bounce-later@`` asks for: accepted mail is returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pillarbox.message.dsn import Action, Original, RecipientReport, Report, build_dsn
from pillarbox.message.header import scan_header
from pillarbox.message.identification import read_message_id
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.smtp.reply import EnhancedCode

__all__ = ["LATER", "late_bounce"]

LATER: Final = 2.0
"""Seconds after which it comes."""

_NO_SUCH_RECIPIENT: Final = EnhancedCode(5, 1, 1)
_DIAGNOSTIC: Final = "550 5.1.1 No such recipient after all, as this address asks"


def late_bounce(
    *,
    hostname: str,
    name: str,
    now: float,
    envelope: Envelope,
    recipients: Sequence[Recipient],
    sender: Mailbox,
    content: bytes,
) -> bytes:
    """Return the notification (RFC 3464), to be sent with the null reverse-path.

    Args:
        hostname: The server that returns the message.
        name: Unique on it, for the Message-ID.
        now: Seconds since 1970.
        envelope: The envelope of the message.
        recipients: Its recipients for whom it is returned.
        sender: Its reverse-path.
        content: The message.
    """
    header = scan_header(content)
    report = Report(
        message_id=f"<bounce-{name}@{hostname}>",
        hostname=hostname,
        author=Mailbox("postmaster", hostname),
        to=sender,
        at=now,
        arrived_at=now - LATER,
        recipients=tuple(
            RecipientReport(
                recipient=recipient,
                action=Action.FAILED,
                status=_NO_SUCH_RECIPIENT,
                diagnostic=_DIAGNOSTIC,
                last_attempt_at=now,
            )
            for recipient in recipients
        ),
        original=Original(
            octets=content,
            header_size=header.size,
            is_whole=True,
            message_id=read_message_id(header),
        ),
        envelope_id=envelope.envelope_id,
        ret=envelope.ret,
    )
    return build_dsn(report).content
