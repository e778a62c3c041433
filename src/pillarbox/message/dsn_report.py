"""The contents of a delivery status notification (RFC 3464 §2.2, §2.3): plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Recipient, Ret
from pillarbox.smtp.reply import EnhancedCode

__all__ = ["Action", "Original", "RecipientReport", "Report", "clean_text", "status_of"]

_MOST_TEXT: Final = 1_000
_STATUS: Final = re.compile(r"[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})\b")
_PERMANENT: Final = 5
_TRANSIENT: Final = 4


class Action(Enum):
    """The action reported for a recipient (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"  # to a server that sends no notifications
    EXPANDED = "expanded"  # to several others, as an alias


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientReport:
    """The report on one recipient."""

    recipient: Recipient
    action: Action
    status: EnhancedCode
    diagnostic: str = ""  # the peer's last reply with its codes, or our own reason, in one line
    remote: str = ""  # the host that replied; "" if the reason is ours
    last_attempt_at: float | None = None
    will_retry_until: float | None = None  # for DELAYED


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The original message."""

    octets: bytes  # the header at least
    header_size: int
    is_whole: bool  # whether ``octets`` is all of it
    has_long_lines: bool = False  # over 998 octets
    message_id: str = ""  # its Message-ID with angle brackets


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The input of a notification. Times are seconds since 1970."""

    message_id: str  # of the notification, with angle brackets
    hostname: str  # ours
    author: Mailbox  # the address in From, such as postmaster@ our domain
    to: Mailbox  # the reverse-path of the original
    at: float
    arrived_at: float
    recipients: tuple[RecipientReport, ...]
    original: Original
    envelope_id: str | None = None  # ENVID, decoded
    ret: Ret | None = None


def status_of(diagnostic: str, *, is_permanent: bool) -> EnhancedCode:
    """Return the enhanced status code in a one-line reply, or the generic one of its class.

    Args:
        diagnostic: Such as ``550 5.1.1 No such user``.
        is_permanent: Whether the recipient has failed; a reply of another class is not used (RFC
            3463 §2).
    """
    class_ = _PERMANENT if is_permanent else _TRANSIENT
    found = _STATUS.match(diagnostic)
    status = EnhancedCode.parse(found[1]) if found else None
    if status is None or status.class_ != class_:
        return EnhancedCode(class_, 0, 0)
    return status


def clean_text(text: str) -> str:
    """Return a peer's text as one printable line of bounded length.

    Control characters, escape sequences and bidirectional controls become "?".
    """
    cut = text[:_MOST_TEXT]
    return "".join(letter if letter.isprintable() else "?" for letter in cut).strip()
