"""A thread that owns a connection and runs calls on it, one after another.

A call costs two hand-overs: into the thread through a queue, and back with one wake-up of the event
loop. SQLite releases the interpreter lock while it works, so that the loop goes on. A call too
short for that may be executed by the caller itself while the thread is idle.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

__all__ = ["Worker"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Worker:
    """Runs functions in a thread of its own, in the order they were given."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self.afterward: Callable[[], None] | None = None
        """Runs in the thread behind each function, once its result was handed over."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._given = 0  # jobs; counted by the caller's thread
        self._done = 0  # counted by the worker's
        # A daemon, so that a process that fails to close its store can still end.
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a function in the thread and return what it returns.

        A caller that is canceled does not stop the function; its result is dropped.
        """
        return await self.submit(function, *args, **kwargs)

    def submit(
        self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> asyncio.Future[_T]:
        """Let the thread run a function; the future is done when that is."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        self._given += 1
        self._jobs.put((lambda: function(*args, **kwargs), future, loop))
        return future

    @property
    def is_idle(self) -> bool:
        """Whether the thread has nothing to do before it is next given something.

        As long as all is given by one thread, that one may meanwhile do what this thread does.
        """
        return self._done == self._given

    @property
    def has_waiting(self) -> bool:
        """Whether something was given that the thread has not begun."""
        return not self._jobs.empty()

    def stop(self) -> None:
        """Let the thread end once it has done what it was given; wait for it."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, future, loop = job
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
                _hand_over(loop, _fail, future, error)
            else:
                _hand_over(loop, _succeed, future, result)
                del result
            if self.afterward is not None:
                self.afterward()
            self._done += 1
            del job, function, future, loop


def _hand_over(loop: asyncio.AbstractEventLoop, answer: Callable[..., None], *args: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody waits
        loop.call_soon_threadsafe(answer, *args)


def _succeed(future: asyncio.Future[_T], result: _T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[_T], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
