"""A command at a terminal of its own, typed at as a person does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Terminal", "at_terminal"]

_PATIENCE = 30.0  # seconds, on a machine with much else to do


class Terminal:
    """The person's side of a terminal."""

    def __init__(self, handle: int, child: subprocess.Popen[bytes]) -> None:
        self._handle = handle
        self._child = child
        self.seen = ""
        self._at = 0  # up to where it was waited for

    def expect(self, text: str) -> str:
        """Wait until a text is shown behind the last one; return what came up to it."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self.seen.find(text, self._at)) < 0:
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"no {text!r} in {self.seen[self._at :]!r}")
        before = self.seen[self._at : found]
        self._at = found + len(text)
        return before

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._handle, keys.encode())

    def end(self) -> int:
        """Wait for the end of the command; return its exit status."""
        while self._read():
            pass
        return self._child.wait(_PATIENCE)

    def interrupt(self) -> int:
        """Press Ctrl-C, again where a line editor has missed it; return the exit status."""
        for _ in range(10):
            self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(2)
                break
        return self.end()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._handle], [], [], _PATIENCE)
        try:
            octets = os.read(self._handle, 65_536) if ready else b""
        except OSError:  # Linux says so where the other side is closed
            octets = b""
        self.seen += octets.decode("utf-8", "replace")
        return bool(octets)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def at_terminal(
    arguments: Sequence[str],
    *,
    program: Sequence[str] = (sys.executable, "-m", "pillarbox"),
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Run ``pillarbox``, or another program, at a terminal without colors until the block ends."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    plain = {"TERM": "dumb", "NO_COLOR": "1", "LANG": "C.UTF-8"}
    child = subprocess.Popen(
        [*program, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - one system call, and Ctrl-C reaches it so
        env={**os.environ, **plain, **(environment or {})},
    )
    os.close(theirs)
    try:
        yield Terminal(ours, child)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait(_PATIENCE)
        os.close(ours)
