"""A store that forgets: the fake for tests and the lab, and ``memory:``."""

from __future__ import annotations

from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.memory.store import MemoryStore

__all__ = ["MemoryDisk", "MemoryStore"]
