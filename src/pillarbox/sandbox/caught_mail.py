"""Caught mail as release and webhooks see it, which pass it on.

``service.Sandbox`` offers both of them to its users; to them it is no more than this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pillarbox.clock import Clock
from pillarbox.config.settings import SandboxSettings
from pillarbox.inbox.port import Inbox
from pillarbox.inbox.values import Summary
from pillarbox.sandbox.journal import Journal
from pillarbox.sandbox.projects import Projects
from pillarbox.search.query import Query

__all__ = ["CaughtMail"]

_T = TypeVar("_T")


class CaughtMail(Protocol):
    """Where caught mail is, and who hears of more."""

    settings: SandboxSettings
    inbox: Inbox
    projects: Projects
    clock: Clock

    def on_caught(self, listener: Callable[[Sequence[Summary]], None]) -> None:
        """Have ``listener`` called with new mail once it has the tags that searches give it."""
        ...

    def query(self, query: str) -> Query | None:
        """Return what a text asks for.

        Raises:
            QueryError: It cannot be meant.
        """
        ...

    def journal(self, kind: str, record: type[_T]) -> Journal[_T]:
        """Return where records of a kind survive a restart, if the inbox is a file."""
        ...
