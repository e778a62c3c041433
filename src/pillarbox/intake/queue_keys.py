"""In which queue a recipient's mail waits: by destination, route and source address."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from pillarbox.policy.queue import QueueKey
from pillarbox.policy.routing import Routes
from pillarbox.smtp.address import Mailbox, ReversePath, ascii_domain

__all__ = ["QueueKeys"]

_REMEMBERED: Final = 8_192


class QueueKeys:
    """Gives each recipient its queue key; equal keys are one object where possible."""

    def __init__(self, routes: Routes, sources: Mapping[str, str]) -> None:
        """Choose by ``routes``; ``sources`` holds the source address of each route by name."""
        self._routes = routes
        self._sources = dict(sources)
        self._key = lru_cache(maxsize=_REMEMBERED)(self._new_key)

    def __call__(self, sender: ReversePath, recipient: Mailbox) -> QueueKey:
        """Return the key. The route is "" where none matches; delivery then says so."""
        return self._key(recipient.domain, self._routes.choose(recipient, sender) or "")

    def _new_key(self, domain: str, route: str) -> QueueKey:
        return QueueKey("", ascii_domain(domain), route, self._sources.get(route, ""))
