"""Whether a message's header names only authors that its sender may use.

A From that cannot be parsed with certainty names nobody, and is refused: the header needs one From
field, no group, and no second Sender field. The sender must own each author, even where a Sender
field names somebody else: From is what people see, and what DMARC uses. (RFC 5322 §3.6.2; RFC 6409
§6.3, §8.1.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pillarbox.message.address_list import parse_address_list
from pillarbox.message.header import Header
from pillarbox.message.submission import check_submission
from pillarbox.policy.senders import Senders
from pillarbox.smtp.reply import Reply

__all__ = ["AUTHOR_NOT_OWNED", "check_authors"]

AUTHOR_NOT_OWNED: Final = Reply.of(
    550, "5.7.1", "You may not send as the address in the From field"
)
_SENDER: Final = Reply.of(550, "5.7.1", "You may not send as the address in the Sender field")
_BAD_SENDER: Final = Reply.of(550, "5.6.0", "The Sender field of the message is malformed")
_REMEMBERED: Final = 4_096
_LONGEST: Final = 512  # octets of a field that is remembered


def check_authors(header: Header, senders: Senders) -> Reply | None:
    """Return why a message is refused for its originator fields, or None.

    Args:
        header: What ``scan_header`` found.
        senders: The addresses that the client may use.
    """
    refusal = check_submission(header)
    if refusal is not None:
        return refusal
    author = header.get(b"from")
    if author is None or not _are_owned(author, senders):
        return AUTHOR_NOT_OWNED
    return _check_sender(header, senders) if b"sender" in header else None


def _check_sender(header: Header, senders: Senders) -> Reply | None:
    fields = header.get_all(b"sender")
    if len(fields) > 1 or len(parse_address_list(fields[0]).addresses) != 1:
        return _BAD_SENDER
    return None if _are_owned(fields[0], senders) else _SENDER


def _are_owned(value: bytes, senders: Senders) -> bool:
    return _remembered(value, senders) if len(value) <= _LONGEST else _judge(value, senders)


def _judge(value: bytes, senders: Senders) -> bool:
    mailboxes = parse_address_list(value).mailboxes
    return bool(mailboxes) and all(mailbox in senders for mailbox in mailboxes)


# Programs send with the same few authors over and over.
_remembered = lru_cache(maxsize=_REMEMBERED)(_judge)
