"""Chooses the queue in which a sender's mail for a recipient waits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from pillarbox.config.settings import RouteSettings
from pillarbox.policy.queue import QueueKey
from pillarbox.policy.routing import RouteRule, Routes
from pillarbox.smtp.address import Mailbox, ReversePath, ascii_domain

__all__ = ["Queues"]

_LANE: Final = ""  # there is one until mail is sent in streams
_REMEMBERED: Final = 8_192


class Queues:
    """Chooses queues by the configured routes."""

    def __init__(self, routes: Mapping[str, RouteSettings], local: Mapping[str, str]) -> None:
        """Prepare the choice.

        Args:
            routes: The ways out by name, in the order in which they are tried.
            local: The route of each local domain that names one.
        """
        rules = [RouteRule(name, each.recipients, each.senders) for name, each in routes.items()]
        self._routes = Routes(rules, local)
        self._sources = {name: each.source for name, each in routes.items()}
        self._key = lru_cache(maxsize=_REMEMBERED)(self._key_uncached)

    def queue_for(self, sender: ReversePath, recipient: Mailbox) -> QueueKey:
        """Return the queue; where no route matches, one with the route ""."""
        return self._key(recipient.domain, self._routes.choose(recipient, sender) or "")

    def _key_uncached(self, domain: str, route: str) -> QueueKey:
        return QueueKey(_LANE, ascii_domain(domain), route, self._sources.get(route, ""))
