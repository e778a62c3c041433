"""Addresses in SMTP (RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3).

This file has the values; ``pillarbox.smtp.path`` parses them.
"""

from __future__ import annotations

import re
from typing import Final

import idna
from msgspec import Struct

__all__ = ["Mailbox", "ReversePath", "ascii_domain"]

# RFC 5321 §4.1.2: Dot-string = Atom *("." Atom); RFC 6531 §3.3 adds UTF-8 to atext.
_DOT_STRING: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
    r"(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)


def ascii_domain(domain: str) -> str:
    """Return a domain in the form used for comparing and for DNS: A-labels in lower case.

    An address literal, or a name that IDNA cannot encode, comes back in lower case as it is.
    """
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return domain.lower()


class Mailbox(Struct, frozen=True, gc=False):
    """``local_part@domain`` (RFC 5321 §4.1.2), with the local part unquoted.

    The domain keeps the spelling it came in: a name, or an address literal with its
    brackets. ``<postmaster>`` without a domain (RFC 5321 §4.5.1) has the domain "".
    """

    local_part: str
    domain: str

    @property
    def is_literal(self) -> bool:
        """Whether the domain is an address literal such as ``[192.0.2.1]`` (RFC 5321 §4.1.3)."""
        return self.domain.startswith("[")

    @property
    def ascii_domain(self) -> str:
        """The domain for comparing and for DNS: A-labels in lower case."""
        return ascii_domain(self.domain)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can take this address (RFC 6531 §3.2).

        A domain in U-labels can always be sent as A-labels; a local part cannot.
        """
        return not self.local_part.isascii()

    def __str__(self) -> str:
        local = self.local_part
        # Letters and digits of any script are atext: most names need no closer look.
        if not (local.isalnum() or _DOT_STRING.fullmatch(local)):
            local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{local}@{self.domain}" if self.domain else local


ReversePath = Mailbox | None
"""Where notifications go; None is the null reverse-path ``<>`` (RFC 5321 §4.5.5)."""
