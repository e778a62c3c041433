"""Tasks that run beside a session, end by themselves, and are awaited by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

__all__ = ["start"]

# Tasks must be held by somebody, or the garbage collector may take them while they wait.
_under_way: Final[set[asyncio.Task[None]]] = set()


def start(work: Coroutine[Any, Any, None]) -> None:
    """Start a task that handles its own failures."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
