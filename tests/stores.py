"""The stores that the contract is tried on, and what each leaves behind when it dies."""

from __future__ import annotations

import asyncio
import copy
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from threading import Thread
from typing import Protocol

import asyncpg
from tests.mail import NOW
from tests.postgres import shared_server

from pillarbox.store.memory import MemoryDisk, MemoryStore
from pillarbox.store.port import Store
from pillarbox.store.postgres import PostgresStore
from pillarbox.store.sqlite import SqliteStore


class Place(Protocol):
    """Somewhere that mail can be kept."""

    def store(self) -> Store:
        """Return a store on this place, not opened yet."""
        ...

    def after_crash(self) -> Place:
        """Return the place as a process would find it if all that use it died now."""
        ...

    def damage(self, old: bytes, new: bytes) -> None:
        """Change octets of stored bodies behind the store's back (it is closed)."""
        ...


class MemoryPlace:
    """A disk in memory."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = MemoryDisk() if disk is None else disk

    def store(self) -> Store:
        return MemoryStore("main", lambda: NOW, self.disk)

    def after_crash(self) -> Place:
        return MemoryPlace(copy.deepcopy(self.disk))

    def damage(self, old: bytes, new: bytes) -> None:
        for message, body in self.disk.bodies.items():
            self.disk.bodies[message] = [chunk.replace(old, new) for chunk in body]


class SqlitePlace:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def store(self) -> Store:
        return SqliteStore(self.path, node="main", now=lambda: NOW)

    def after_crash(self) -> Place:
        folder = self.path.parent / "after"
        folder.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{self.path}{suffix}", folder)
        return SqlitePlace(folder / self.path.name)

    def damage(self, old: bytes, new: bytes) -> None:
        content = self.path.read_bytes()
        self.path.write_bytes(content.replace(old, new))


class PostgresPlace:
    """A database on the server that the tests of this process share."""

    def __init__(self, url: str) -> None:
        self.url = url

    def store(self) -> Store:
        return PostgresStore(self.url, node="main", now=lambda: NOW)

    def after_crash(self) -> Place:
        return self  # opening it again takes it from the store that is open

    def damage(self, old: bytes, new: bytes) -> None:
        async def change() -> None:
            connection = await asyncpg.connect(self.url)
            await connection.execute(
                "UPDATE body SET content = overlay(content PLACING $2 FROM position($1 IN content))"
                " WHERE position($1 IN content) > 0",
                old,
                new,
            )
            await connection.close()

        in_thread(change)


def in_thread(main: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a coroutine to its end, whether or not a loop is running here."""
    thread = Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()


Places = dict[str, Callable[[Path], Place]]

PLACES: Places = {
    "memory": lambda _: MemoryPlace(),
    "sqlite": lambda folder: SqlitePlace(folder / "pillarbox.db"),
    "postgres": lambda _: PostgresPlace(shared_server().database()),
}
