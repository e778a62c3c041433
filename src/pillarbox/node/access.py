"""Builds a node's authentication: its key, its view of the credentials, the authenticator."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Self

from pillarbox.access.assembly import AccessControl, build_access
from pillarbox.access.directory import Directory
from pillarbox.access.failures import FailureBook
from pillarbox.access.issue import Issuer
from pillarbox.access.node_key import NodeKey, read_node_key
from pillarbox.clock import Clock
from pillarbox.config.settings import Settings
from pillarbox.errors import PillarboxError
from pillarbox.intake.keeping_on import keep_on
from pillarbox.store.notes import Note, NoteStore
from pillarbox.store.port import Store

__all__ = ["Access", "Remembering"]

_SETTLE_EVERY: Final = 60.0  # seconds
_FAILURES: Final = "auth-failures"  # a note for each node
_MOST_FAILURES: Final = 500  # applications restored after a restart
_DAY: Final = 86_400.0


class Access:
    """The credentials of a running node."""

    def __init__(
        self,
        directory: Directory,
        key: NodeKey,
        on_defect: Callable[[str, BaseException], None],
    ) -> None:
        """Use a loaded directory; ``prepare`` creates one."""
        self.directory = directory
        self.issuer = Issuer(key)
        self.key = key
        self._on_defect = on_defect
        self._remembering: Remembering | None = None
        self._tasks = [
            keep_on(directory.follow, "node: credentials"),
            keep_on(self._settle, "node: former secrets"),
        ]

    @classmethod
    async def prepare(
        cls,
        settings: Settings,
        store: Store,
        clock: Clock,
        on_defect: Callable[[str, BaseException], None],
    ) -> Self:
        """Read the key and all credentials, and follow changes from now on.

        Raises:
            PillarboxError: The key's file or the store cannot be used.
        """
        key = read_node_key(settings.auth.key, settings.node.directory)
        directory = Directory(store.credentials, clock.now)
        await directory.refresh()
        return cls(directory, key, on_defect)

    def control(self, settings: Settings) -> AccessControl:
        """Return the authenticator for a configuration; the key does not change after the start.

        Raises:
            PermanentError: A source cannot be used as it is configured.
        """
        return build_access(
            settings,
            directory=self.directory,
            key=self.key,
            now=self.directory.now,
            on_defect=self._on_defect,
        )

    async def remember(self, failures: FailureBook, notes: NoteStore, node: str) -> None:
        """Restore the failed logins from before the restart, and store new ones from now on.

        Raises:
            StoreUnavailable: The store is down.
        """
        remembering = Remembering(failures, notes, node, self.directory.now)
        await remembering.read_back()
        self._remembering = remembering
        self._tasks.append(keep_on(remembering.follow, "node: failed logins"))

    async def stop(self) -> None:
        """Stop following, and write when credentials were last used. Safe to call twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(PillarboxError):  # the store is down, and they are lost
            await self.directory.flush_uses()
            if self._remembering is not None:
                await self._remembering.write()

    async def _settle(self) -> None:
        """Delete everything about ended secrets that could be used to log in."""
        while True:
            for credential in tuple(self.directory):
                settled = self.issuer.settled(credential, self.directory.now())
                if settled is not credential:
                    # Another node changed it, or the store is down: try again the next time.
                    with contextlib.suppress(PillarboxError):
                        await self.directory.store.save(settled)
            await asyncio.sleep(_SETTLE_EVERY)


class Remembering:
    """Preserves the failed logins across a restart."""

    def __init__(
        self, failures: FailureBook, notes: NoteStore, node: str, now: Callable[[], float]
    ) -> None:
        """Prepare; nothing is read or written yet.

        Args:
            failures: The failures in memory.
            notes: Where they are stored, for a day.
            node: The node's name: each node has failures of its own.
            now: The wall clock.
        """
        self._failures = failures
        self._notes = notes
        self._node = node
        self._now = now
        self._written = failures.changes

    async def read_back(self) -> None:
        """Restore the stored failures.

        Raises:
            StoreUnavailable: The store is down.
        """
        note = await self._notes.get(_FAILURES, self._node, now=self._now())
        if note is not None:
            self._failures.read_back(note.value)

    async def write(self) -> None:
        """Store the failures, if something has changed.

        Raises:
            StoreUnavailable: The store is down.
        """
        changes = self._failures.changes
        if changes == self._written:
            return
        value = self._failures.written(_MOST_FAILURES)
        note = Note(kind=_FAILURES, key=self._node, value=value, expires_at=self._now() + _DAY)
        await self._notes.put([note])
        self._written = changes

    async def follow(self) -> None:
        """Store periodically until canceled."""
        while True:
            await asyncio.sleep(_SETTLE_EVERY)
            with contextlib.suppress(PillarboxError):  # the store is down: the next time
                await self.write()
