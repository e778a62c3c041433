"""Publishes changes in the sandbox to every observer: pages, streams, waiting tests.

A subscriber gets every change that is published after it subscribed, in order. One that is too slow
to read them is told to reload (``RELOAD``) instead; nobody ever waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from enum import Enum
from types import TracebackType
from typing import Final, Self

from msgspec import Struct

from pillarbox.inbox.values import Summary
from pillarbox.store.port import MessageId

__all__ = ["Change", "ChangeKind", "Changes", "Subscription"]

_MOST_CHANGES: Final = 256  # that wait for one subscriber
_MOST_MAILS: Final = 5_000  # that these are about


class ChangeKind(Enum):
    """The kinds of changes."""

    NEW = "new"  # mail was caught
    UPDATE = "update"  # its read state, its tags or its findings are others
    DELETE = "delete"  # it was removed
    RESTORE = "restore"  # it was brought back
    PRUNE = "prune"  # it had to go for a cap or its age
    TRUNCATE = "truncate"  # everything (of a project) was removed
    RULES = "rules"  # the rules for failing on purpose are others
    PROJECTS = "projects"  # there are other projects, or they have other settings
    RELOAD = "reload"  # more happened than could be told: look anew


class Change(Struct, frozen=True, kw_only=True):
    """One change, perhaps to many messages."""

    kind: ChangeKind
    ids: tuple[MessageId, ...] = ()
    project: str | None = None  # None: in several, or in no project
    summaries: tuple[Summary, ...] = ()  # of NEW, in the order of the ids


_RELOAD: Final = Change(kind=ChangeKind.RELOAD)


class Changes:
    """Publishes changes to subscribers. For one event loop."""

    def __init__(self) -> None:
        """Begin without subscribers."""
        self._subscriptions: set[Subscription] = set()

    @property
    def subscribers(self) -> int:
        """The number of subscribers."""
        return len(self._subscriptions)

    def publish(self, change: Change) -> None:
        """Publish a change; returns at once."""
        for subscription in self._subscriptions:
            subscription.push(change)

    def kept(self, summaries: Sequence[Summary]) -> None:
        """Publish that a commit has stored messages."""
        if self._subscriptions and summaries:
            projects = {summary.project for summary in summaries}
            self.publish(
                Change(
                    kind=ChangeKind.NEW,
                    ids=tuple(summary.id for summary in summaries),
                    project=projects.pop() if len(projects) == 1 else None,
                    summaries=tuple(summaries),
                )
            )

    def subscribe(self) -> Subscription:
        """Return a subscription, which begins when it is entered (``async with``)."""
        return Subscription(self._subscriptions)


class Subscription:
    """The changes since it was entered, for one reader."""

    def __init__(self, registry: set[Subscription]) -> None:
        """Stand in ``registry`` while it is entered."""
        self._registry = registry
        self._waiting: deque[Change] = deque()
        self._mails = 0
        self._wake: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._registry.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._registry.discard(self)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        change = self._waiting.popleft()
        self._mails -= len(change.ids)
        return change

    def take(self) -> tuple[Change, ...]:
        """Return the unread changes, without waiting."""
        taken = tuple(self._waiting)
        self._waiting.clear()
        self._mails = 0
        return taken

    def push(self, change: Change) -> None:
        """Take a change; what a reader did not read in time is one RELOAD."""
        if len(self._waiting) >= _MOST_CHANGES or self._mails > _MOST_MAILS:
            self.take()
            change = _RELOAD
        if not (change is _RELOAD and self._waiting and self._waiting[-1] is _RELOAD):
            self._waiting.append(change)
            self._mails += len(change.ids)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
