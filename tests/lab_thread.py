"""A lab server in a thread, for clients that block or are processes of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from pillarbox.lab.servers import LabServer


@contextmanager
def lab_server_in_thread(server: LabServer) -> Iterator[LabServer]:
    """Run a lab server on a loop in a thread while the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(function(), loop).result(10)

    call(server.start)
    try:
        yield server
    finally:
        call(server.stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
