"""The load: Postfix's smtp-source and smtp-sink, and a client that measures one reply."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from bench.targets import SINK_PORT, Target

_COUNTER: Final = re.compile(rb"mesg=(\d+)")
_BACKLOG: Final = "1000"

Readline = Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many messages, of what size, over how many connections."""

    size: int  # octets
    connections: int
    messages: int
    keeps_connections: bool = True  # several messages a connection (smtp-source -d)


class SourceFailedError(Exception):
    """smtp-source ended with an error; the server refused something or hung up."""


def start_source(target: Target, load: Load) -> subprocess.Popen[bytes]:
    """Start smtp-source against a target."""
    command = ["smtp-source", "-4", "-M", "client.example"]
    command += ["-f", "a@sender.example", "-t", "b@recipient.example"]
    command += ["-l", str(load.size), "-s", str(load.connections), "-m", str(load.messages)]
    command += ["-d"] if load.keeps_connections else []
    command += [f"{target.address}:{target.port}"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish_source(source: subprocess.Popen[bytes]) -> None:
    """Wait until smtp-source has sent all.

    Raises:
        SourceFailedError: It could not; with its own words.
    """
    try:
        _, errors = source.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        source.kill()
        _, errors = source.communicate()
    if source.returncode:
        raise SourceFailedError(errors.decode("utf-8", "replace")[-300:].strip() or "time-out")


class Sink:
    """smtp-sink, which counts what it gets and keeps nothing."""

    def __init__(self, address: str) -> None:
        """Start it at ``address``."""
        self.address = address
        self.received = 0
        self._tail = b""
        self._process = subprocess.Popen(
            [
                "smtp-sink",
                "-4",
                "-u",
                "nobody",
                "-c",
                "-m",
                "2000",
                f"{address}:{SINK_PORT}",
                _BACKLOG,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def wait_for(self, total: int, *, patience: float) -> float:
        """Wait until ``total`` messages came in all; return when the last one did.

        It gives up when nothing more has come for ``patience`` seconds.
        """
        last = time.perf_counter()
        while self.received < total:
            if self._read():
                last = time.perf_counter()
            elif time.perf_counter() - last > patience:
                break
            time.sleep(0.002)
        return last

    def _read(self) -> bool:
        output = self._process.stdout
        before = self.received
        while output is not None and select.select([output], [], [], 0)[0]:
            octets = os.read(output.fileno(), 65_536)
            if not octets:
                break
            counts = _COUNTER.findall(self._tail + octets)
            self._tail = octets[-60:]
            if counts:
                self.received = int(counts[-1])
        return self.received > before


def latencies(target: Target, size: int, messages: int) -> list[float]:
    """Return the seconds from the last octet of each content to its 250, on one connection."""
    line = b"X" * 70 + b"\r\n"
    content = (
        b"Subject: x\r\nFrom: <a@sender.example>\r\n\r\n" + line * (size // len(line)) + b".\r\n"
    )
    taken = []
    with socket.create_connection((target.address, target.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = connection.makefile("rb")
        _reply(replies.readline, 220)
        _ask(connection, replies.readline, b"EHLO client.example\r\n", 250)
        for _ in range(messages):
            _ask(connection, replies.readline, b"MAIL FROM:<a@sender.example>\r\n", 250)
            _ask(connection, replies.readline, b"RCPT TO:<b@recipient.example>\r\n", 250)
            _ask(connection, replies.readline, b"DATA\r\n", 354)
            connection.sendall(content)
            sent = time.perf_counter()
            _reply(replies.readline, 250)
            taken.append(time.perf_counter() - sent)
            time.sleep(0.002)  # let it settle, as a person's client would
        connection.sendall(b"QUIT\r\n")
        replies.close()
    return taken


def _ask(connection: socket.socket, readline: Readline, command: bytes, code: int) -> None:
    connection.sendall(command)
    _reply(readline, code)


def _reply(readline: Readline, code: int) -> None:
    line = readline()
    while line[3:4] == b"-":
        line = readline()
    if not line.startswith(b"%d" % code):
        raise SourceFailedError(f"expected {code}, got {line!r}")


def hold_connections(target: Target, wanted: int) -> list[socket.socket]:
    """Open connections that say EHLO and then nothing; return those that were greeted."""
    held = []
    for number in range(wanted):
        source = f"127.0.0.{2 + number // 20_000}"  # a source address has 28,000 ports
        try:
            connection = socket.create_connection(
                (target.address, target.port), timeout=10, source_address=(source, 0)
            )
            with connection.makefile("rb") as replies:
                _reply(replies.readline, 220)
                _ask(connection, replies.readline, b"EHLO client.example\r\n", 250)
        except (OSError, SourceFailedError):
            break
        held.append(connection)
    return held
