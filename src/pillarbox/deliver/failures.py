"""Outcomes for failures on our side: the mail cannot be sent at all, or not now."""

from __future__ import annotations

from typing import Final

from pillarbox.policy.ruling import Ruling
from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.reply import Reply

__all__ = ["DEFECT", "LONG_LINE", "UNREADABLE", "turned_away"]

LONG_LINE: Final = RecipientOutcome(
    is_delivered=False,
    stage=Stage.DATA,
    reply=Reply.of(
        550,
        "5.6.0",
        "The content has a line of more than 998 octets, which no mail server has to take; "
        "send it as quoted-printable or base64",
    ),
    reason="a line of more than 998 octets (RFC 5321 §4.5.3.1.6); what is signed, not submitted "
    "here, or over 60 KiB is not encoded for its sender",
    is_local=True,
)
UNREADABLE: Final = RecipientOutcome(
    is_delivered=False,
    stage=Stage.DATA,
    reply=Reply.of(451, "4.3.0", "The content could not be read from the store"),
    reason="the store does not answer",
    is_local=True,
)
DEFECT: Final = RecipientOutcome(
    is_delivered=False,
    stage=Stage.DATA,
    reply=Reply.of(451, "4.3.0", "An error of this server"),
    reason="a defect of pillarbox; see the log of errors",
    is_local=True,
)


def turned_away(ruling: Ruling) -> RecipientOutcome:
    """Return the outcome of a delivery that a check refuses or defers."""
    return RecipientOutcome(
        is_delivered=False,
        stage=Stage.DATA,
        reply=ruling.reply,
        reason=f"{ruling.by}: {ruling.reason}",
        is_local=True,
    )
