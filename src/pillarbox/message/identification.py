"""Message-ID: creates one, and parses an existing one (RFC 5322 §3.6.4).

Parsing never fails: anything that is not an identifier gives "".
"""

from __future__ import annotations

import re
from typing import Final

from pillarbox.message.header import Header
from pillarbox.smtp.address import ascii_domain

__all__ = ["MAX_MESSAGE_ID", "make_message_id", "read_message_id"]

MAX_MESSAGE_ID: Final = 995
"""Octets of the longest accepted identifier: a line of 998 less ``Message-ID: ``, rounded."""

# Laxer than msg-id in RFC 5322 §3.6.4: anything printable between angle brackets is an identifier,
# because malformed ones are common and they are only compared.
_MSG_ID: Final = re.compile(rb"<[^<>\x00-\x20\x7f]{1,993}>")


def make_message_id(unique: str, hostname: str) -> bytes:
    """Return ``<unique@hostname>``.

    Args:
        unique: A dot-atom that is never reused on this host, such as a message id.
        hostname: The node's name; U-labels are converted to A-labels.
    """
    return f"<{unique}@{ascii_domain(hostname)}>".encode()


def read_message_id(header: Header) -> str:
    """Return the value of the first Message-ID field with its angle brackets, or ""."""
    value = header.get(b"message-id")
    if value is None:
        return ""
    found = _MSG_ID.search(value, 0, 4 * MAX_MESSAGE_ID)
    if found is None:
        return ""
    return found[0].decode("utf-8", "replace")
