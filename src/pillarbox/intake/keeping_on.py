"""Tasks that run as long as the node does, and survive failures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["keep_on"]

_AFTER_DEFECT: Final = 10.0  # seconds


def keep_on(work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
    """Do ``work``, which never ends by itself, and begin it again when it fails.

    Args:
        work: What is to be done.
        name: What it is called where a defect is told: by the event loop's exception handler.

    Returns:
        The task, to be canceled at the end.
    """
    loop = asyncio.get_running_loop()

    async def go_on() -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - without it, nobody would notice for weeks
                loop.call_exception_handler({"message": name, "exception": error})
            await asyncio.sleep(_AFTER_DEFECT)

    return loop.create_task(go_on(), name=name)
