"""The node: the only place that chooses adapters and starts services."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pillarbox.config.settings import Settings
from pillarbox.errors import PermanentError
from pillarbox.store.memory.store import MemoryStore
from pillarbox.store.port import Store
from pillarbox.store.sqlite import SqliteStore, restore

__all__ = ["make_store", "restore_store"]


def make_store(settings: Settings, now: Callable[[], float]) -> Store:
    """Return the store that ``store.url`` names; it is not open yet.

    Args:
        settings: The configuration.
        now: The wall clock.

    Raises:
        PermanentError: No adapter knows such a store.
    """
    node = settings.node.name
    if settings.store.url.startswith("memory:"):
        return MemoryStore(node, now)
    return SqliteStore(_sqlite_path(settings), node=node, now=now)


def restore_store(settings: Settings, copy: Path) -> Path:
    """Put a copy that ``backup`` made in the place of a stopped node's store; return its path.

    Raises:
        PermanentError: A node runs, the copy is damaged, or the store is not a file.
    """
    path = _sqlite_path(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    restore(copy, path)
    return path


def _sqlite_path(settings: Settings) -> Path:
    if not settings.store.url.startswith("sqlite:"):
        raise PermanentError("store.url names no SQLite file")
    return settings.node.directory / settings.store.url.removeprefix("sqlite:")
