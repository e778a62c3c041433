"""Author domains: those that the From field names (RFC 9989 §5.3.1, §11.5; RFC 5322 §3.6.2).

Forgers use a missing, repeated or malformed From, because mail programs display something while a
lenient check finds nothing to judge. So every domain in any From field counts, and a malformed
field is reported as a problem, never ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.mailauth.dmarc.discovery import normal_domain
from pillarbox.message.address_list import parse_address_list
from pillarbox.message.header import Header
from pillarbox.smtp.domain import is_domain

__all__ = ["MAX_AUTHOR_DOMAINS", "Authors", "author_domains", "read_authors"]

MAX_AUTHOR_DOMAINS: Final = 5  # distinct ones: each may cost a tree walk


@dataclass(frozen=True, slots=True)
class Authors:
    """The authors that a message claims to be from."""

    domains: tuple[str, ...] = ()  # distinct, normalized, in the order of the fields
    problem: str = ""  # why a reader may see other domains than these, in words


def author_domains(header: Header) -> Authors:
    """Return the domains of all addresses in all From fields of a message."""
    return read_authors(header.get_all(b"from"))


def read_authors(values: Sequence[bytes]) -> Authors:
    """Return the domains of all addresses in the values of the From fields."""
    if not values:
        return Authors(problem="there is no From field")
    domains: dict[str, None] = {}
    problem = ""
    for value in values:
        parsed = parse_address_list(value)
        if parsed.error:
            problem = problem or f"the From field cannot be read: {parsed.error}"
        for mailbox in parsed.mailboxes:
            domain = normal_domain(mailbox.domain)
            if is_domain(domain):
                domains[domain] = None
            else:
                problem = problem or f"{mailbox.domain[:80]!a} in From is no domain"
    if not domains:
        return Authors(problem=problem or "the From field names nobody")
    if len(domains) > MAX_AUTHOR_DOMAINS:
        problem = problem or f"From names {len(domains)} domains, more than {MAX_AUTHOR_DOMAINS}"
    return Authors(tuple(domains)[:MAX_AUTHOR_DOMAINS], problem)
