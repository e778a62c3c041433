"""Every curl command in docs/api.md works as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.web_sandbox import RunningSandbox, make_message, sandbox_web

PAGE = Path("docs/api.md")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
ENDLESS = 28  # curl's status for --max-time
TAKES_JSON = (7, 82)  # the first curl that has --json


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with sandbox_web() as running:
        yield running


def examples() -> list[str]:
    """Return the commands in their order."""
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.startswith("curl ")]


def test_every_example_works(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The commands run one after another against a sandbox with a mail, and all succeed."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
    numbers = re.match(r"curl (\d+)\.(\d+)", version.stdout)
    if numbers is None or tuple(map(int, numbers.groups())) < TAKES_JSON:
        pytest.skip("curl is too old for --json")
    commands = examples()
    assert len(commands) > 30
    for command in commands:
        with suppress(smtplib.SMTPException):  # where an example has it fail on purpose
            sandbox.send_message(make_message(html="<p>Your code is 481516"))
        words = shlex.split(command.replace("http://localhost:8025", sandbox.base))
        done = subprocess.run(
            [*words, "--silent", "--show-error", "--fail-with-body"],
            capture_output=True,
            cwd=tmp_path,
            timeout=30,
            check=False,
        )
        assert done.returncode in {0, ENDLESS if "--max-time" in words else 0}, (
            command,
            done.stdout + done.stderr,
        )
    assert not sandbox.defects
