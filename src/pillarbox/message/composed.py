"""Messages composed with Python's ``email`` package, validated before they are sent.

The package decodes RFC 2047 words in its input, and before CPython 3.11.10 and 3.12.5 it writes the
decoded text unchanged: ``=?utf-8?q?a=0d=0aBcc:_b=40c?=`` as a subject becomes a field ``Bcc``.
"""

from __future__ import annotations

import re
from email.errors import MessageError
from email.message import EmailMessage
from typing import Final

__all__ = ["broken_field"]

# A line end inside the field without a following blank, a bare CR or LF, a control character.
_BREAK: Final = re.compile(
    "\r\n(?![ \t]|\\Z)|\r(?!\n)|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]"
)


def broken_field(message: EmailMessage) -> str:
    """Return the name of a field with an injected line end or control character, or "".

    Fields are checked as they will be written, including those of all parts.
    """
    for part in message.walk():
        for name, value in part.items():
            try:
                written = part.policy.fold(name, value)
            except (MessageError, ValueError):  # later versions of the package refuse it themselves
                return str(name)
            if _BREAK.search(written):
                return str(name)
    return ""
