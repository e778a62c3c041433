"""pillarbox commands in processes that are forked from one which has imported them already.

An interpreter that imports a node works for most of a second before it does anything; tests
that start one after the other would spend their time on that alone. What is forked is a
process as real as any other: it has its own files, sockets and signals, and SIGKILL ends it as
surely. Only what lies before ``pillarbox.cli.main`` is missing, and other tests start there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import IO, Any

_PRELOADED = [
    __name__,
    "pillarbox.cli.main",
    "pillarbox.cli.reports.digest",
    "pillarbox.cli.sandbox.command",
    "pillarbox.cli.serve",
    "pillarbox.node.process",
    "pillarbox.node.sandbox",
    "pillarbox.store.postgres",
    "pillarbox.store.sqlite",
]


class ForkedCommand:
    """A ``pillarbox`` command that runs; used as a ``subprocess.Popen`` is."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        stdout: IO[Any],
        stderr: IO[Any],
        stdin: IO[Any] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            words: What stands after ``pillarbox``.
            stdout: Where its standard output goes.
            stderr: Where its standard error goes.
            stdin: Its standard input; nothing, if there is none.
            env: Its whole environment; this one's, if there is none.
            cwd: The folder in which it runs; this one's, if there is none.
        """
        with Path(os.devnull).open("rb") as nothing:
            # A connection is what multiprocessing hands over with its file descriptor.
            files = [Connection(os.dup(f.fileno())) for f in (stdin or nothing, stdout, stderr)]
        environment = dict(os.environ if env is None else env)
        arguments = (files, tuple(words), str(cwd or Path.cwd()), environment)
        self._process = _context().Process(target=_run, args=arguments, daemon=True)
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

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it as nothing can prevent (SIGKILL)."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs after so many seconds.
        """
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("pillarbox", timeout or 0.0)
        return code


def run_forked(
    *words: str, given: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a ``pillarbox`` command to its end, as ``subprocess.run`` does."""
    with (
        tempfile.TemporaryFile("w+") as stdin,
        tempfile.TemporaryFile("r+", encoding="utf-8") as stdout,
        tempfile.TemporaryFile("r+", encoding="utf-8") as stderr,
    ):
        stdin.write(given)
        stdin.seek(0)
        command = ForkedCommand(words, stdin=stdin, stdout=stdout, stderr=stderr, env=env)
        code = command.wait(60)
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(words, code, stdout.read(), stderr.read())


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _run(
    files: Sequence[Connection], words: Sequence[str], folder: str, environment: dict[str, str]
) -> None:
    """Become the command, in the new process."""
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
        file.close()
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has put /dev/null in its place
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pillarbox", *words]
    import_module("pillarbox.cli.main").main()
