"""How commands reach a node: through the control socket of a running one, or through its store.

Guarantees: the store of a stopped node is opened under the store's own lock, so that a node
that starts meanwhile, or one whose socket was removed, is never written around. Looking at
the store of a node that died does not make it forget what may have killed it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from pillarbox import __version__
from pillarbox.access.assembly import build_access
from pillarbox.access.directory import Directory
from pillarbox.access.issue import Issuer
from pillarbox.access.node_key import read_node_key
from pillarbox.clock import SystemClock
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import Settings
from pillarbox.control import protocol as p
from pillarbox.control.client import ControlClient, NodeNotRunning
from pillarbox.control.credentials import CredentialOperations
from pillarbox.control.operations import Operations
from pillarbox.errors import PermanentError
from pillarbox.events.encode import encode, message_of
from pillarbox.events.types import Event
from pillarbox.store.ids import parse_id
from pillarbox.store.port import Batch, JournalEntry, Store
from pillarbox.store.select import make_store

__all__ = ["Access", "NotRunning", "control_socket", "reach", "reach_running"]

_ROWS_AT_ONCE: Final = 256  # entering the event loop costs more than a row


class Access(Protocol):
    """Something that carries out requests."""

    def run(self, request: p.Request) -> Iterator[p.Row]:
        """Yield the rows of the answer, ``Done`` as the last.

        Raises:
            PillarboxError: It cannot be done.
        """
        ...


class NotRunning(PermanentError):  # noqa: N818 - reads as what it says
    """The node does not run, and only a running one can do this."""

    fix = "Start it with `pillarbox serve`, or say with --config which node you mean."


class _NoStore(PermanentError):  # noqa: N818
    """There is no node and no store."""

    fix = "Start the node with `pillarbox serve`; or say with --config which one you mean."


def control_socket(settings: Settings) -> Path:
    """Return where a node's control socket is."""
    return settings.control.socket or settings.node.directory / "control"


@contextmanager
def reach_running(loaded: Loaded) -> Iterator[Access]:
    """Connect to the running node.

    Raises:
        NotRunning: It does not run.
    """
    try:
        client = ControlClient(control_socket(loaded.settings))
    except NodeNotRunning as error:
        raise NotRunning(str(error)) from None
    with client:
        yield client


@contextmanager
def reach(loaded: Loaded) -> Iterator[Access]:
    """Connect to the running node, or open the store of a stopped one under its lock.

    Raises:
        PillarboxError: Neither can be done.
    """
    try:
        client = ControlClient(control_socket(loaded.settings))
    except NodeNotRunning:
        with _open_store(loaded.settings) as access:
            yield access
        return
    with client:
        yield client


@contextmanager
def _open_store(settings: Settings) -> Iterator[Access]:
    url = settings.store.url
    if url.startswith("memory:"):
        raise NotRunning("the node does not run, and its store is in memory")
    if not url.startswith("sqlite:"):
        # A database has no lock: opening it here would take it from a node that runs.
        raise NotRunning("the node does not run, and its store is a database")
    path = settings.node.directory / url.removeprefix("sqlite:")
    if not path.exists():
        raise _NoStore(f"the node does not run, and there is no store at {path}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermanentError(f"{path} belongs to another user; run this as the node's user")
    with asyncio.Runner() as runner:
        clock = SystemClock()
        directory, node = settings.node.directory, settings.node.name
        store = make_store(url, directory=directory, node=node, now=clock.now)
        runner.run(store.open())
        try:
            yield _StoreAccess(runner, store, settings, clock)
        finally:
            runner.run(store.close(keep_suspects=True))


class _StoreAccess:
    """Carries out requests on the store of a stopped node."""

    def __init__(
        self, runner: asyncio.Runner, store: Store, settings: Settings, clock: SystemClock
    ) -> None:
        self._runner = runner
        self._store = store
        status = p.StatusRow(
            is_running=False,
            node=settings.node.name,
            version=__version__,
            store=settings.store.url.partition(":")[0],
        )
        self._operations = Operations(
            store,
            now=clock.now,
            record=self._record,
            status=status,
            routes=lambda: settings.route,
            credentials=_credentials(store, settings, clock),
        )

    def run(self, request: p.Request) -> Iterator[p.Row]:
        rows = self._operations.run(request)
        is_complete = False
        while not is_complete:
            some: list[p.Row] = []
            try:
                is_complete = self._runner.run(_gather(rows, some))
            finally:
                yield from some  # what came before an error is a result, too

    async def _record(self, events: Sequence[Event]) -> None:
        entries = [
            JournalEntry(event.at, parse_id(message_of(event)), encode(event)) for event in events
        ]
        await self._store.commit(Batch(record=entries))


def _credentials(store: Store, settings: Settings, clock: SystemClock) -> CredentialOperations:
    key = read_node_key(settings.auth.key, settings.node.directory)
    directory = Directory(store.credentials, clock.now)
    return CredentialOperations(
        directory,
        Issuer(key),
        access=lambda: build_access(settings, directory=directory, key=key, now=clock.now),
        failures=lambda: None,
    )


async def _gather(rows: AsyncIterator[p.Row], some: list[p.Row]) -> bool:
    """Move the next rows to ``some``; return whether they were the last."""
    async for row in rows:
        some.append(row)
        if len(some) == _ROWS_AT_ONCE:
            return False
    return True
