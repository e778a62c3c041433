"""A few threads that hash passwords beside the event loop, with a bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from pillarbox.errors import TemporaryError

__all__ = ["Pool"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_WAITING_PER_WORKER: Final = 50  # at 100 ms each, five seconds of waiting


class Pool:
    """Threads with a bounded queue."""

    def __init__(
        self,
        workers: int,
        name: str,
        *,
        waiting: int = _WAITING_PER_WORKER,
        initializer: Callable[[], None] | None = None,
    ) -> None:
        """Have ``workers`` threads, and for each at most ``waiting`` calls that wait."""
        self._most = workers * (waiting + 1)
        self._busy = 0
        self._is_closed = False
        self._threads = ThreadPoolExecutor(workers, name, initializer=initializer)

    @property
    def is_full(self) -> bool:
        """Whether one more call would wait for too long."""
        return self._busy >= self._most

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function on a thread.

        Raises:
            TemporaryError: The threads were given up: a new configuration has others.
        """
        if self._is_closed:
            raise TemporaryError("the configuration was read again; connect anew")
        self._busy += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))
        finally:
            self._busy -= 1

    def close(self) -> None:
        """Give up the threads; what waits is not done any more."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
