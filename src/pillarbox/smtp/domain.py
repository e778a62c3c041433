"""Domain names and address literals as SMTP spells them.

Nothing is resolved here. U-labels are checked by the rules of IDNA, so that a character that merely
looks like a dot or an at sign never gets into a domain.

RFC 5321 §2.3.5, §4.1.2, §4.1.3; RFC 6531 §3.3; RFC 5890 §2.3.2.1.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import idna

__all__ = ["MAX_DOMAIN_OCTETS", "is_address_literal", "is_domain", "is_hello_name"]

MAX_DOMAIN_OCTETS: Final = 255  # RFC 5321 §4.5.3.1.2
MAX_HELLO_OCTETS: Final = 300  # an address literal may be longer than a name; 300 is plenty

# sub-domain = Let-dig [Ldh-str]; a label has at most 63 octets (RFC 1035 §2.3.4).
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

# Laxer than the RFC: many machines have an underscore in their name, and no mail is
# routed by what a client says here.
_HELLO_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


def is_domain(text: str) -> bool:
    """Whether ``text`` is a domain name in A-labels or U-labels, without a final dot."""
    if text.isascii():
        return len(text) <= MAX_DOMAIN_OCTETS and _DOMAIN.fullmatch(text) is not None
    if len(text.encode("utf-8", "replace")) > MAX_DOMAIN_OCTETS:
        return False
    try:
        # Strict: only "." parts labels. IDNA 2008 knows no upper case; we do not mind it.
        encoded = idna.encode(text.lower(), strict=True)
    except (idna.IDNAError, UnicodeError):
        return False
    return len(encoded) <= MAX_DOMAIN_OCTETS and _DOMAIN.fullmatch(encoded.decode()) is not None


def is_address_literal(text: str) -> bool:
    """Whether ``text``, brackets included, is an address literal (RFC 5321 §4.1.3).

    The tag of a General-address-literal must be registered, and none but IPv6 is.
    """
    if not (text.startswith("[") and text.endswith("]") and len(text) <= MAX_DOMAIN_OCTETS):
        return False
    inner = text[1:-1]
    try:
        if inner[:5].upper() == "IPV6:":
            ipaddress.IPv6Address(inner[5:])
            return "%" not in inner  # a zone means nothing to another machine
        ipaddress.IPv4Address(inner)
    except ValueError:
        return False
    return True


def is_hello_name(text: str) -> bool:
    """Whether ``text`` can be a client's name in EHLO or HELO (RFC 5321 §4.1.1.1)."""
    if not text or len(text) > MAX_HELLO_OCTETS:
        return False
    if text.startswith("["):
        return is_address_literal(text)
    if text.isascii():
        return _HELLO_NAME.fullmatch(text) is not None
    return is_domain(text)
