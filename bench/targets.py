"""The servers that are measured: how each is started for acceptance and for relay.

*Acceptance*: a 250 means that the message is on disk, and nothing is delivered. *Relay*:
everything goes to the sink at once. Both servers see all checks and logs they have by default.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from abc import ABC, abstractmethod
from enum import Enum
from pathlib import Path
from typing import ClassVar, Final

from tests.loopback import greets, own_address
from tests.node_process import SMTP_PORT, NodeProcess, relay_config
from tests.peers import Postfix, open_to_others

from bench.meter import Meter
from pillarbox.access.hashes import PasswordHasher

SINK_PORT: Final = 2526


class Mode(Enum):
    """What a target does with what it takes."""

    ACCEPT = "acceptance"
    RELAY = "relay"


class Target(ABC):
    """One server in one mode."""

    name: ClassVar[str]

    def __init__(self, directory: Path, mode: Mode, sink: str) -> None:
        """Prepare a server with its files in ``directory`` that relays to ``sink``."""
        self.directory = directory
        self.mode = mode
        self.sink = sink
        self.address = own_address()
        self.port = SMTP_PORT
        self.meter = Meter(f"{self.name}-{mode.value}".replace(" ", "-"))

    def start(self) -> float:
        """Start it; return after how many seconds it greeted."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        return self.resume()

    def resume(self) -> float:
        """Start it with the files that are there."""
        began = time.monotonic()
        self.meter.enter()
        try:
            self._start()
        finally:
            self.meter.leave()
        while not greets(self.address, self.port):
            if time.monotonic() - began > 120:
                raise TimeoutError(f"{self.name} did not come up:\n{self._log()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def stop(self) -> None:
        """Stop it and forget its files."""
        self.pause()
        self.meter.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    @abstractmethod
    def pause(self) -> None:
        """Stop it and leave its files."""

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _log(self) -> str: ...


class PostfixTarget(Target):
    """Postfix without pacing; held mail for acceptance (its ``hold`` queue)."""

    name = "postfix"

    def __init__(self, directory: Path, mode: Mode, sink: str) -> None:
        """Prepare an instance of its own."""
        super().__init__(directory, mode, sink)
        hold = "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject\n"
        self._postfix = Postfix(
            directory=directory,
            next_hop=(sink, SINK_PORT),
            address=self.address,
            settings=hold if mode is Mode.ACCEPT else "",
        )

    @staticmethod
    def is_installed() -> bool:
        """Whether it can be run here."""
        return os.geteuid() == 0 and shutil.which("postfix") is not None

    def _start(self) -> None:
        open_to_others(self.directory)
        self._postfix.start()

    def pause(self) -> None:
        """Stop it and leave its files."""
        self._postfix.stop()

    def _log(self) -> str:
        return self._postfix.log


_EXTRA: Final = """
[store]
url = "{store}"

[log]
file = "{directory}/events.log"
"""


class PillarboxTarget(Target):
    """This checkout's pillarbox, in one process, with events and logs on."""

    name = "pillarbox"

    def __init__(
        self, directory: Path, mode: Mode, sink: str, *, store: str = "sqlite:pillarbox.db"
    ) -> None:
        """Prepare a node on ``store``."""
        super().__init__(directory, mode, sink)
        config = relay_config(
            directory,
            self.address,
            f"{sink}:{SINK_PORT}",
            extra=_EXTRA.format(store=store, directory=directory),
        ).replace("[limits]", "[limits]\nconnections = 12000\ncommand_timeout = 3600")
        config = config.replace("connections_per_client = 2000", "connections_per_client = 12000")
        if mode is Mode.ACCEPT:
            config = config.replace("[delivery]", "[delivery]\npaused = true")
        self.node = NodeProcess(directory, config, self.address)

    def _start(self) -> None:
        self.node.start()
        self.meter.watch(self.node.pid)

    def pause(self) -> None:
        """Stop it and leave its files."""
        self.node.stop()

    def _log(self) -> str:
        return self.node.output


class PillarboxOnPostgres(PillarboxTarget):
    """pillarbox on PostgreSQL; the database's own processes are not in its figures."""

    name = "pillarbox on postgresql"


LOGIN: Final = (b"ann", b"correct horse")
"""Who may log in on a ``PillarboxWithLogins``, and the password."""


class PillarboxWithLogins(PillarboxTarget):
    """pillarbox with a user, who may log in without TLS."""

    def __init__(self, directory: Path, mode: Mode, sink: str) -> None:
        """Prepare a node with a file of users."""
        super().__init__(directory, mode, sink)
        self.node.config = self.node.config.replace(
            "starttls = false", "starttls = false\nauth_without_tls = true"
        )
        self.node.config += f'[auth]\nfile = "{directory}/users"\n'

    def _start(self) -> None:
        users = self.directory / "users"
        users.touch(mode=0o600)
        user, password = LOGIN
        users.write_bytes(user + b":" + PasswordHasher.hash(password).encode() + b"\n")
        super()._start()


def profile(target: PillarboxTarget, file: Path) -> None:
    """Let the target's next start write a cProfile of its process to ``file``."""
    target.node.command = [
        *(sys.executable, "-m", "cProfile", "-o", str(file)),
        *("-m", "pillarbox", "serve", "--config", "{config}"),
    ]
