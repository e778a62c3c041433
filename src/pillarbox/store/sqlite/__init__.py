"""The store in one SQLite file: the default, for one process of one machine."""

from __future__ import annotations

from pillarbox.store.sqlite.backup import restore
from pillarbox.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "restore"]
