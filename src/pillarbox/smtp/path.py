"""Parses reverse-paths, forward-paths and mailboxes, from the wire or from a file.

``str(parse_mailbox(text))`` is an address that parses to the same mailbox again. A malformed
address raises ``AddressError``; the caller turns it into the reply that fits.

Stricter than RFC 5321 §4.1.2 in one point: a quoted local part must not be empty or contain a
space. No mailbox has such a name, and lists of addresses are split at spaces everywhere.

RFC 5321 §4.1.2, §4.1.3, §4.5.1, §4.5.3.1; RFC 6531 §3.3.
"""

from __future__ import annotations

import re
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.domain import is_address_literal, is_domain

__all__ = ["AddressError", "parse_forward_path", "parse_mailbox", "parse_reverse_path"]

MAX_LOCAL_PART_OCTETS: Final = 64  # RFC 5321 §4.5.3.1.1
MAX_MAILBOX_OCTETS: Final = 254  # RFC 5321 §4.5.3.1.3: a path has 256, its brackets included

# UTF8-non-ascii of RFC 6531 §3.3, without the C1 controls and the line separators.
_UTF8: Final = r"\u00a1-\u2027\u202f-\ud7ff\ue000-\U0010ffff"
_ATEXT: Final = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_UTF8}-]+"
_DOT_STRING: Final = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
# qtextSMTP and quoted-pairSMTP without the space; see the module's docstring.
_QUOTED_STRING: Final = re.compile(rf'"((?:[!#-\[\]-~{_UTF8}]|\\[!-~])+)"')
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
# What nearly every address looks like: the whole check in one match.
_PLAIN: Final = re.compile(
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*)"
)


class AddressError(PermanentError):
    """The text is not an address that SMTP can carry; the message says what is wrong."""


def parse_mailbox(text: str) -> Mailbox:
    """Parse ``local-part@domain`` without angle brackets.

    Args:
        text: The address, such as ``info@example.org`` or ``"a@b"@[192.0.2.1]``.

    Returns:
        The mailbox, its local part without quotes.

    Raises:
        AddressError: The text is not a mailbox of RFC 5321 §4.1.2, or it is too long.
    """
    if len(text) > MAX_MAILBOX_OCTETS:
        raise AddressError("the address is too long")
    match = _PLAIN.fullmatch(text)
    if match is not None:  # so that it is ASCII, and the above says all
        local_part, domain = match.groups()
        if len(local_part) > MAX_LOCAL_PART_OCTETS:
            raise AddressError("the local part is too long")
        return Mailbox(local_part, domain)
    if _octets(text) > MAX_MAILBOX_OCTETS:
        raise AddressError("the address is too long")
    local_part, end = _local_part(text)
    if text[end : end + 1] != "@":
        raise AddressError("the address has no domain, or a bad local part")
    domain = text[end + 1 :]
    if not (is_address_literal(domain) if domain.startswith("[") else is_domain(domain)):
        raise AddressError("the domain of the address is malformed")
    return Mailbox(local_part, domain)


def parse_reverse_path(text: str) -> ReversePath:
    """Parse what is between the angle brackets of MAIL FROM.

    Raises:
        AddressError: It is neither empty nor a mailbox, perhaps with a source route.
    """
    return _mailbox_in_path(text) if text else None


def parse_forward_path(text: str) -> Mailbox:
    """Parse what is between the angle brackets of RCPT TO.

    ``postmaster`` in any case needs no domain (RFC 5321 §4.1.1.3).

    Raises:
        AddressError: It is neither ``postmaster`` nor a mailbox, perhaps with a source route.
    """
    if text.lower() == "postmaster":
        return Mailbox(text, "")
    return _mailbox_in_path(text)


def _mailbox_in_path(text: str) -> Mailbox:
    if not text.startswith("@"):
        return parse_mailbox(text)
    if _octets(text) > MAX_MAILBOX_OCTETS:
        raise AddressError("the path is too long")
    return parse_mailbox(_without_source_route(text))


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _without_source_route(text: str) -> str:
    """Drop ``@a,@b:``: it MUST be accepted and SHOULD be ignored (RFC 5321 §4.1.1.3)."""
    route, colon, mailbox = text.partition(":")
    hops = route.split(",")
    # A colon also occurs in IPv6 literals; a route through one is refused, as nobody needs it.
    if not colon or not all(hop.startswith("@") and _is_hop(hop[1:]) for hop in hops):
        raise AddressError("the source route is malformed")
    return mailbox


def _is_hop(text: str) -> bool:
    return is_address_literal(text) if text.startswith("[") else is_domain(text)


def _local_part(text: str) -> tuple[str, int]:
    """Return the local part without quotes, and where it ends in ``text``."""
    if text.startswith('"'):
        match = _QUOTED_STRING.match(text)
        if match is None:
            raise AddressError("the quoted local part is malformed")
        local_part = _QUOTED_PAIR.sub(r"\1", match[1])
    else:
        match = _DOT_STRING.match(text)
        if match is None:
            raise AddressError("the local part is missing or malformed")
        local_part = match[0]
    # The limit applies to the wire, so quotes count.
    if _octets(match[0]) > MAX_LOCAL_PART_OCTETS:
        raise AddressError("the local part is too long")
    return local_part, match.end()
