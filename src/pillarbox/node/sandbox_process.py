"""The sandbox as a process: its event loop and its signals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

import uvloop

from pillarbox.config.settings import Settings
from pillarbox.errors import TemporaryError
from pillarbox.events.event import Sink
from pillarbox.node.sandbox import OnDefect, SandboxNode
from pillarbox.node.sandbox_sockets import bind_sandbox

__all__ = ["run_sandbox"]

_PRIVATE: Final = 0o077  # nobody else may read what was caught
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def run_sandbox(
    settings: Settings,
    *,
    sink: Sink | None,
    on_defect: OnDefect,
    ready: Callable[[SandboxNode], None],
) -> None:
    """Run a sandbox until SIGTERM or SIGINT; a second one ends the process at once.

    Args:
        settings: The configuration.
        sink: Receives events; None: they are dropped.
        on_defect: Called with unexpected errors.
        ready: Called once everything listens.

    Raises:
        PillarboxError: It cannot start or continue; the message says why.
    """
    os.umask(_PRIVATE)
    sockets = bind_sandbox(settings.sandbox, is_alone=True)

    async def run() -> None:
        stopped = _signaled()  # before anybody learns that there is something to stop
        node = SandboxNode(settings, sink=sink, on_defect=on_defect, sockets=sockets)
        await node.start()
        try:
            ready(node)
            await _wait_until_over(node, stopped)
        finally:
            await node.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def _signaled() -> asyncio.Future[None]:
    """Return a future that is done when a signal asks to stop."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        for number in _STOPPING:
            loop.remove_signal_handler(number)  # the next one ends the process at once
        if not stopped.done():
            stopped.set_result(None)

    for number in _STOPPING:
        loop.add_signal_handler(number, stop)
    return stopped


async def _wait_until_over(node: SandboxNode, stopped: asyncio.Future[None]) -> None:
    failed = asyncio.ensure_future(node.failed())
    try:
        await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            raise TemporaryError("the sandbox's disk has failed; a restart reads what is there")
    finally:
        failed.cancel()
