"""What a node does beside the mail goes on, whatever fails in it once."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from pillarbox.access.failures import Application, FailureBook
from pillarbox.config.loader import load
from pillarbox.events.types import ConfigurationReloaded, DefectFound, Event
from pillarbox.node.access import Remembering
from pillarbox.node.node import Node
from pillarbox.policy.autopsy import Autopsy, Cause
from pillarbox.store.memory import MemoryStore

CONFIGURATION = """
[node]
hostname = "mx.local.test"
directory = "{directory}/node"
[store]
url = "memory:"
[listener.mx]
kind = "mx"
bind = ["127.0.0.1:0"]
[domain."local.test"]
aliases_file = "{directory}/aliases"
"""


def make_node(directory: Path, events: list[Event]) -> Node:
    """Return a node that has not been started."""
    (directory / "aliases").write_text("team: ann@elsewhere.test\n")
    path = directory / "pillarbox.toml"
    path.write_text(CONFIGURATION.format(directory=directory))
    return Node(load(path, {}).settings, log=lambda event, _: events.append(event))


def test_a_new_certificate_beside_a_broken_list_is_told_of(tmp_path: Path) -> None:
    """Renewal goes on: a mistake in another file must not end it for ever."""
    events: list[Event] = []

    async def main() -> None:
        node = make_node(tmp_path, events)
        await node.start()
        (tmp_path / "aliases").unlink()
        node._read_certificates()
        await node.stop("over")

    asyncio.run(main())
    (told,) = [event for event in events if isinstance(event, ConfigurationReloaded)]
    assert "aliases" in told.error


def test_a_defect_in_the_upkeep_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and the heart goes on beating; otherwise others would take our mail over."""
    events: list[Event] = []
    monkeypatch.setattr("pillarbox.node.upkeep._EVERY", 0.01)
    beats = itertools.count()
    goes_on = asyncio.Event()

    async def heartbeat(*, now: float) -> None:
        del now
        if next(beats) == 0:
            raise RuntimeError("odd")
        goes_on.set()

    async def main() -> None:
        node = make_node(tmp_path, events)
        monkeypatch.setattr(node.store, "heartbeat", heartbeat)
        await node.start()
        async with asyncio.timeout(5):
            await goes_on.wait()
        await node.stop("over")

    asyncio.run(main())
    (told,) = [event for event in events if isinstance(event, DefectFound)]
    assert told.error == "RuntimeError: odd"


def test_a_defect_in_following_credentials_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a credential that is revoked would go on letting its holder in."""
    events: list[Event] = []
    monkeypatch.setattr("pillarbox.intake.keeping_on._AFTER_DEFECT", 0.01)
    goes_on = asyncio.Event()
    looks = itertools.count()

    async def main() -> None:
        node = make_node(tmp_path, events)
        await node.start()

        async def refresh() -> None:
            if next(looks) == 0:
                raise RuntimeError("odd")
            goes_on.set()

        monkeypatch.setattr(node.access.directory, "refresh", refresh)
        async with asyncio.timeout(5):
            await goes_on.wait()
        await node.stop("over")

    monkeypatch.setattr("pillarbox.access.directory._EVERY", 0.01)
    asyncio.run(main())
    (told,) = [event for event in events if isinstance(event, DefectFound)]
    assert (told.where, told.error) == ("node: credentials", "RuntimeError: odd")


def test_failed_logins_are_known_after_a_restart() -> None:
    """They are written when something has changed, for the node that they happened at."""

    async def main() -> None:
        store = MemoryStore("main", lambda: 100.0)
        await store.open()
        book = FailureBook()
        keeper = Remembering(book, store.notes, "main", lambda: 100.0)
        await keeper.write()
        assert not await store.notes.all("auth-failures", now=100.0)
        program = Application("web-3", "192.0.2.1", ("PLAIN",))
        book.failed(program, Autopsy(cause=Cause.BUSY), user="ann", listener="in", at=99.0)
        await keeper.write()
        for node, count in (("main", 1), ("other", 0)):
            after = FailureBook()
            await Remembering(after, store.notes, node, lambda: 100.0).read_back()
            assert len(list(after)) == count

    asyncio.run(main())
