"""The stores that the contract is tried on, and what each leaves behind when it dies."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pillarbox.store.memory import MemoryDisk, MemoryStore
from pillarbox.store.port import Store
from pillarbox.store.sqlite import SqliteStore
from tests.mail import NOW


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


Places = dict[str, Callable[[Path], Place]]

PLACES: Places = {
    "memory": lambda _: MemoryPlace(),
    "sqlite": lambda folder: SqlitePlace(folder / "pillarbox.db"),
}
