"""How many messages a second the sandbox catches while somebody looks at the list.

The watcher does what a page does: it listens on the live channel, and asks for the list when
something has come, twice a second at most. Where Mailpit is installed, it is measured in turn.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from websockets.sync.client import connect

from bench.load import Load
from bench.phases import KIB, Bench, MakeTarget, Plan
from bench.rows import Row
from bench.targets import Mode, Target

_HTTP_PORT: Final = 8025
_EVERY: Final = 0.5  # seconds between two looks at the list
_LIST_OF_OURS: Final = "/api/sandbox/v1/messages?limit=50"
_LIST_OF_MAILPIT: Final = "/api/v1/messages?limit=50"
_PHASE: Final = "caught, with a page open"


def catching(bench: Bench, plan: Plan) -> list[Row]:
    """Measure messages of 10 KB, over kept connections and over one for each message."""
    makers: list[MakeTarget] = [SandboxTarget, SandboxInFile]
    if shutil.which("mailpit") is not None:
        makers.append(MailpitTarget)
    rows: list[Row] = []
    for keeps in (True, False):
        load = Load(size=10 * KIB, connections=20, messages=0, keeps_connections=keeps)
        rows += bench.throughput(makers, Mode.ACCEPT, load, plan, label=_PHASE)
    return rows


class _Watched(Target):
    """A sandbox in a process, and somebody who looks at it."""

    def __init__(self, directory: Path, mode: Mode, sink: str) -> None:
        """Prepare it."""
        super().__init__(directory, mode, sink)
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._watchers: list[threading.Thread] = []
        self._has_news = threading.Event()
        self.list_path = _LIST_OF_OURS

    def command(self) -> list[str]:
        """Return what starts it."""
        raise NotImplementedError

    def listen(self) -> None:
        """Listen on the live channel until the connection ends."""
        raise NotImplementedError

    def news(self) -> None:
        """Take note that something has come."""
        self._has_news.set()

    def _start(self) -> None:
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.meter.watch(self._process.pid)
        self._over.clear()
        self._watchers = [
            threading.Thread(target=work, daemon=True) for work in (self._listen, self._look)
        ]
        for watcher in self._watchers:
            watcher.start()

    def pause(self) -> None:
        """Stop it and leave its files."""
        self._over.set()
        self._has_news.set()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        for watcher in self._watchers:
            watcher.join()

    def _log(self) -> str:
        return (self.directory / "output").read_text("utf-8", "replace")

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.listen()
            time.sleep(0.05)

    def _look(self) -> None:
        while not self._over.is_set():
            self._has_news.wait()
            self._has_news.clear()
            with contextlib.suppress(OSError, http.client.HTTPException):
                client = http.client.HTTPConnection(self.address, _HTTP_PORT, timeout=30)
                client.request("GET", self.list_path)
                client.getresponse().read()
                client.close()
            self._over.wait(_EVERY)


class SandboxTarget(_Watched):
    """This checkout's sandbox, in memory."""

    name = "pillarbox"

    def command(self) -> list[str]:
        """Return what starts it."""
        return [
            *(sys.executable, "-m", "pillarbox", "sandbox", "--pop3", "off", "--json"),
            *("--smtp", f"{self.address}:{self.port}", "--http", f"{self.address}:{_HTTP_PORT}"),
        ]

    def listen(self) -> None:
        """Listen on the event stream."""
        client = http.client.HTTPConnection(self.address, _HTTP_PORT, timeout=60)
        client.request("GET", "/api/sandbox/v1/events")
        stream = client.getresponse()
        while stream.readline():
            self.news()
        client.close()


class SandboxInFile(SandboxTarget):
    """The same, with its mail in a file."""

    name = "pillarbox, in a file"

    def command(self) -> list[str]:
        """Return what starts it."""
        return [*super().command(), "--database", str(self.directory / "mail.sqlite")]


class MailpitTarget(_Watched):
    """Mailpit, in memory."""

    name = "mailpit"

    def __init__(self, directory: Path, mode: Mode, sink: str) -> None:
        """Prepare it."""
        super().__init__(directory, mode, sink)
        self.list_path = _LIST_OF_MAILPIT

    def command(self) -> list[str]:
        """Return what starts it."""
        return [
            *("mailpit", "--quiet", "--max", "10000", "--disable-version-check"),
            *("--smtp", f"{self.address}:{self.port}", "--listen", f"{self.address}:{_HTTP_PORT}"),
        ]

    def listen(self) -> None:
        """Listen on the WebSocket."""
        address = f"ws://{self.address}:{_HTTP_PORT}/api/events"
        with connect(address, origin=None) as socket:
            for _ in socket:
                self.news()
