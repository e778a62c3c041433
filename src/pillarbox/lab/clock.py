"""Virtual time: an event loop whose clock jumps ahead whenever there is nothing to do.

What is awaited on this loop takes the time it says it takes, and no real time: five days of retries
pass in a second. Time stands still while anything can run. Loopback sockets and worker threads
count as "can run": before the loop jumps it lets a moment of real time pass, and it keeps waiting
while another thread of this process works or waits for the disk. Other processes cannot be seen;
give such a loop a longer grace.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

__all__ = ["DEFAULT_GRACE", "LabClock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")

DEFAULT_GRACE: Final = 0.004
"""Real seconds without any event after which virtual time jumps."""

_SECOND_LOOK: Final = 0.001
"""Real seconds until the others are looked at again: one that waits for the GIL seems to rest."""

_LONGEST_WAIT: Final = 30.0  # real seconds for a worker thread that never rests
_START: Final = 1_790_000_000.0  # 2026-09-21T14:13:20Z; any fixed date does
_TASKS: Final = Path("/proc/self/task")
_IDLE: Final = 0.000_2  # seconds of processor time that our own clock readings may cost


class _JumpingSelector(selectors.BaseSelector):
    """A selector that turns waiting into a jump of virtual time."""

    def __init__(self, grace: float) -> None:
        self.now = 0.0
        self._grace = grace
        self._real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, return nothing, ``timeout`` later."""
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        give_up = time.monotonic() + _LONGEST_WAIT
        worked = _seconds_of_other_threads()
        is_sure = threading.active_count() == 1  # nobody else is here
        wait = self._grace
        while not (ready := self._real.select(wait)):
            before, worked = worked, _seconds_of_other_threads()
            is_busy = worked - before > _IDLE or _another_thread_works()
            if is_busy and time.monotonic() < give_up:
                is_sure, wait = False, self._grace
            elif is_sure:
                self.now += timeout
                break
            else:
                is_sure, wait = True, _SECOND_LOOK
        return ready


def _seconds_of_other_threads() -> float:
    """Return the processor time that this process has used outside the calling thread."""
    return time.process_time() - time.thread_time()


def _another_thread_works() -> bool:
    """Whether one runs, waits for a processor (as on a busy machine), or waits for the disk."""
    if threading.active_count() == 1:
        return False
    own = str(threading.get_native_id())
    return any(_state(task) in {"R", "D"} for task in _TASKS.iterdir() if task.name != own)


def _state(task: Path) -> str:
    try:
        # "number (name) state ...", and the name may hold anything, so look from its end.
        return (task / "stat").read_text().rpartition(") ")[2][:1]
    except OSError:  # it has just ended
        return ""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 0."""

    def __init__(self, *, grace: float = DEFAULT_GRACE) -> None:
        """Jump after ``grace`` real seconds in which nothing happened."""
        self._jumping = _JumpingSelector(grace)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._jumping.now


class LabClock:
    """A wall clock that runs with the event loop and can be set to another time."""

    def __init__(self, start: float = _START) -> None:
        """Read ``start`` (seconds since 1970) now, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._offset = start - self._loop.time()

    def now(self) -> float:
        """Return the wall clock in seconds since 1970-01-01T00:00:00Z."""
        return self._offset + self._loop.time()

    def monotonic(self) -> float:
        """Return the event loop's time in seconds; no jump of the wall clock moves it."""
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock ahead by ``seconds``, or back where they are negative."""
        self._offset += seconds


def run_virtual(main: Coroutine[Any, Any, T], *, grace: float = DEFAULT_GRACE) -> T:
    """Run a coroutine to its end on a loop of its own with virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(grace=grace)) as runner:
        return runner.run(main)
