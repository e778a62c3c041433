"""Which route a recipient's mail takes; the first rule that matches wins.

A local domain that names a route comes before all rules. Lookup is fast with any number of rules:
exact domains are found in a table, and choices are cached (at most ``_REMEMBERED`` of them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pillarbox.smtp.address import Mailbox, ReversePath, ascii_domain

__all__ = ["RouteRule", "Routes"]

_REMEMBERED: Final = 8_192


@dataclass(frozen=True, slots=True)
class RouteRule:
    """When a route is taken.

    ``recipients`` are domains: ``example.org``, ``*.example.org`` for all below it, ``*``
    for all. ``senders`` are ``ann@example.org``, ``@example.org`` or ``<>``; none means all.
    """

    route: str
    recipients: tuple[str, ...]
    senders: tuple[str, ...] = ()


class Routes:
    """Chooses the route of a recipient."""

    def __init__(self, rules: Sequence[RouteRule], local: Mapping[str, str] | None = None) -> None:
        """Prepare the tables.

        Args:
            rules: In their order. A rule without recipients is never taken by itself.
            local: The route of each local domain that names one.
        """
        self._rules = tuple(rules)
        self._local = {ascii_domain(domain): route for domain, route in (local or {}).items()}
        self._exact: dict[str, list[int]] = {}
        self._below: dict[str, list[int]] = {}
        self._all: list[int] = []
        self._senders = [frozenset(map(_sender_key, rule.senders)) for rule in self._rules]
        for number, rule in enumerate(self._rules):
            for pattern in rule.recipients:
                self._table_row(pattern).append(number)
        self._choose = lru_cache(maxsize=_REMEMBERED)(self._choose_uncached)
        self._asks_sender = any(self._senders)

    def choose(self, recipient: Mailbox, sender: ReversePath) -> str | None:
        """Return the name of the route, or None if no rule matches."""
        # The sender counts only where a rule asks for it: else it would fill the memory.
        return self._choose(recipient.domain, sender if self._asks_sender else None)

    def _table_row(self, pattern: str) -> list[int]:
        if pattern == "*":
            return self._all
        if pattern.startswith("*."):
            return self._below.setdefault(ascii_domain(pattern[2:]), [])
        return self._exact.setdefault(ascii_domain(pattern), [])

    def _choose_uncached(self, domain: str, sender: ReversePath) -> str | None:
        domain = ascii_domain(domain)
        if domain in self._local:
            return self._local[domain]
        numbers: list[int] = [*self._exact.get(domain, ()), *self._all]
        _, _, parent = domain.partition(".")
        while parent:
            numbers += self._below.get(parent, ())
            _, _, parent = parent.partition(".")
        for number in sorted(numbers):
            if self._fits_sender(number, sender):
                return self._rules[number].route
        return None

    def _fits_sender(self, number: int, sender: ReversePath) -> bool:
        wanted = self._senders[number]
        if not wanted:
            return True
        if sender is None:
            return "<>" in wanted
        return bool(wanted & {_sender_key(str(sender)), f"@{sender.ascii_domain}"})


def _sender_key(text: str) -> str:
    """Return a sender or sender pattern in the form for comparison."""
    local, at, domain = text.rpartition("@")
    return f"{local.lower()}@{ascii_domain(domain)}" if at else text
