"""The example configurations, started as they are but for ports and folders."""

from __future__ import annotations

import json
import os
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.forked import ForkedCommand

EXAMPLES = Path(__file__).parents[1] / "examples"


@contextmanager
def started(name: str, folder: Path, **environ: str) -> Iterator[dict[str, int]]:
    """Run an example in ``folder``, on ports that are free; give the port of each listener."""
    path = EXAMPLES / f"{name}.toml"
    for listener in tomllib.loads(path.read_text())["listener"]:
        environ[f"PILLARBOX_LISTENER__{listener.upper()}__BIND"] = "127.0.0.1:0"
    with (folder / "log").open("wb") as log:
        words = ("serve", "--config", str(path))
        process = ForkedCommand(words, stdout=log, stderr=log, env=os.environ | environ, cwd=folder)
    try:
        yield ports(folder / "log", process)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def ports(log: Path, process: ForkedCommand) -> dict[str, int]:
    deadline = time.monotonic() + 20
    while True:
        events = [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]
        if any(event["event"] == "node.started" for event in events):
            return {
                event["listener"]: int(event["address"].rpartition(":")[2])
                for event in events
                if event["event"] == "listener.started"
            }
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
