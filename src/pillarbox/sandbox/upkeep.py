"""What a sandbox does in the background: it sweeps its inbox, and writes its journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from pillarbox.clock import Clock
from pillarbox.errors import PillarboxError
from pillarbox.inbox.port import Inbox
from pillarbox.sandbox.journal import Journal
from pillarbox.sandbox.recording import Book

__all__ = ["Upkeep"]

_SWEEP_EVERY: Final = 5.0  # seconds
_WRITE_EVERY: Final = 0.25  # seconds between two writings of ended sessions and of journals

_T = TypeVar("_T")


class Upkeep:
    """The tasks of one sandbox."""

    def __init__(
        self,
        inbox: Inbox,
        book: Book,
        clock: Clock,
        on_defect: Callable[[str, BaseException], None],
        *,
        survives: bool,
    ) -> None:
        """Prepare.

        Args:
            inbox: What is kept up.
            book: The sessions that have ended.
            clock: The time.
            on_defect: Hears of errors that nobody expects.
            survives: Whether the inbox survives a restart.
        """
        self._inbox = inbox
        self._book = book
        self._clock = clock
        self._on_defect = on_defect
        self._survives = survives
        self._journals: list[Journal[Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Keep the inbox, which is open, up from now on."""
        self.run(self._sweep_now_and_then(), "sandbox: upkeep")
        self.run(self._write_now_and_then(), "sandbox: records")

    async def stop(self) -> None:
        """End all tasks, and write what waits to be written."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(PillarboxError):
            await self._write()

    def run(self, work: Coroutine[None, None, None], name: str) -> None:
        """Start a task, which is ended by ``stop`` at the latest."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def journal(self, kind: str, record: type[_T]) -> Journal[_T]:
        """Return where records of a kind are noted; they survive if the inbox does."""
        journal = Journal(self._inbox if self._survives else None, kind, record)
        self._journals.append(journal)
        return journal

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, PillarboxError):
            self._on_defect(task.get_name(), error)

    async def _sweep_now_and_then(self) -> None:
        while True:
            try:
                while await self._inbox.sweep(now=self._clock.now()):  # noqa: ASYNC110 - a part a call
                    await asyncio.sleep(0)
            except PillarboxError:
                pass  # whoever needs the inbox says so; the next turn tries again
            except Exception as error:  # noqa: BLE001 - else the inbox would only grow
                self._on_defect("sandbox: upkeep", error)
            await asyncio.sleep(_SWEEP_EVERY)

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY)
            with contextlib.suppress(PillarboxError):
                await self._write()

    async def _write(self) -> None:
        """Write the sessions that have ended, and what was noted in journals."""
        if self._book.has_finished:
            finished = self._book.finished()
            await self._inbox.keep_transcripts(finished)
            self._book.written(finished)
        for journal in self._journals:
            await journal.write()
