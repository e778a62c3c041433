"""pillarbox in a process that is forked from one which has imported it already.

An interpreter that imports a node works for most of a second before it does anything; a test
that starts fifty nodes would spend its time on that alone. What is forked is a process as real
as any other: it has its own files, sockets and signals, and SIGKILL ends it as surely.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from multiprocessing.context import ForkServerContext
from pathlib import Path

_PRELOADED = [
    __name__,
    "pillarbox.cli.main",
    "pillarbox.cli.serve",
    "pillarbox.node.process",
    "pillarbox.store.postgres",
    "pillarbox.store.sqlite",
]


class ForkedCommand:
    """A ``pillarbox`` command that runs; used as a ``subprocess.Popen`` is."""

    def __init__(self, words: Sequence[str], output: Path, environment: Mapping[str, str]) -> None:
        """Start it.

        Args:
            words: What stands after ``pillarbox``.
            output: Where its standard output and error are appended.
            environment: Its whole environment.
        """
        arguments = (tuple(words), str(output), str(Path.cwd()), dict(environment))
        self._process = _context().Process(target=_run, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit code (minus the signal that ended it), or None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it as nothing can prevent (SIGKILL)."""
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end and return its exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs after so many seconds.
        """
        self._process.join(seconds)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("pillarbox", seconds or 0.0)
        return code


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _run(words: Sequence[str], output: str, folder: str, environment: dict[str, str]) -> None:
    """Become the command, in the new process."""
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.close(written)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pillarbox", *words]
    import_module("pillarbox.cli.main").main()
