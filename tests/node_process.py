"""A real pillarbox node in a process of its own, to be killed, starved and filled up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.forked import ForkedCommand
from tests.loopback import own_address, wait_for_greeting

SMTP_PORT = 2525
LOOPBACK = "127.0.0.0/8"


def relay_config(directory: Path, address: str, smart_host: str, *, extra: str = "") -> str:
    """Return a configuration that takes anything from loopback and passes it to ``smart_host``.

    Args:
        directory: Where the node keeps its files.
        address: Where it listens, on port ``SMTP_PORT``.
        smart_host: ``HOST:PORT`` of the next server.
        extra: More tables, in TOML; ``[queue]``, ``[delivery]`` and ``[limits]`` are taken.
    """
    return f"""
[node]
hostname = "node.example"
directory = "{directory}"

[listener.in]
kind = "submission"
bind = ["{address}:{SMTP_PORT}"]
trusted_networks = ["{LOOPBACK}"]
starttls = false

[route.out]
kind = "smarthost"
recipients = ["*"]
host = "{smart_host}"
tls = "none"

[queue]
first_retry = 0.5
max_retry = 1.0

[delivery]
site_backoff = 0.2

[limits]
connections_per_client = 2000
connection_rate_per_client = 1000000

{extra}
"""


@dataclass(slots=True)
class NodeProcess:
    """One node: its files are in ``directory`` and survive its death."""

    directory: Path
    config: str
    address: str = field(default_factory=own_address)
    command: Sequence[str] = (sys.executable, "-m", "pillarbox", "serve", "--config", "{config}")
    before: Sequence[str] = ()  # put before the command, as ``faketime`` or ``prlimit`` are
    is_forked: bool = False  # from a process that has imported pillarbox, in place of ``command``
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | ForkedCommand | None = None

    @property
    def output(self) -> str:
        """What all its processes have written to their standard output and error."""
        return (self.directory / "output").read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        """The number of the running process."""
        if self.process is None:
            raise RuntimeError("the node has not been started")
        return self.process.pid

    def start(self) -> None:
        """Start it; it is not ready yet."""
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "node.toml"
        file.write_text(self.config, "utf-8")
        file.chmod(0o600)
        environment = {**os.environ, **self.environment}
        with (self.directory / "output").open("ab") as output:
            if self.is_forked:
                words = ("serve", "--config", str(file))
                self.process = ForkedCommand(words, stdout=output, stderr=output, env=environment)
                return
            self.process = subprocess.Popen(
                [*self.before, *(word.format(config=file) for word in self.command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )

    async def ready(self, *, seconds: float = 30.0) -> float:
        """Wait until it greets; return how many seconds that took.

        Raises:
            RuntimeError: It ended, or did not greet in time; with what it has written.
        """
        started = time.monotonic()
        try:
            await wait_for_greeting(self.address, SMTP_PORT, seconds=seconds)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; the node wrote:\n{self.output[-4000:]}") from error
        return time.monotonic() - started

    def kill(self) -> None:
        """Kill it as nothing can prevent (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self, *, seconds: float = 40.0) -> int:
        """Ask it to stop (SIGTERM); return its exit code."""
        return self._end(signal.SIGTERM, seconds=seconds)

    def _end(self, number: signal.Signals, *, seconds: float = 40.0) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
