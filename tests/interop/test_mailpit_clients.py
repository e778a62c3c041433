"""Clients of Mailpit and MailHog work against the sandbox with only the address changed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.web_sandbox import RunningSandbox, whole_sandbox

PEERS = Path("/var/cache/pillarbox-peers")
MODULES = PEERS / "node/node_modules"
PYTHON = PEERS / "mail-clients/bin/python"
CLIENTS = Path(__file__).parent / "mail_clients"


def run(sandbox: RunningSandbox, *command: str | Path) -> None:
    """Run a client's script, which says ``ok`` when all its expectations were met."""
    arguments = [*map(str, command), sandbox.base, str(sandbox.smtp_port)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("ok")
    assert not sandbox.defects


@pytest.mark.parametrize(
    ("script", "packages"),
    [
        ("mailpit_api.mjs", ("mailpit-api", "nodemailer")),
        ("cypress_mailpit.mjs", ("cypress-mailpit",)),
        ("mailhog.cjs", ("mailhog", "mailhog-awesome", "nodemailer")),
    ],
)
def test_a_client_for_node_works(script: str, packages: tuple[str, ...]) -> None:
    """The examples in the client's own README pass, and the rest of its calls."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed (scripts/install-peers.sh)")
    for package in packages:
        if not (MODULES / package).exists():
            pytest.skip(f"{package} is not installed (scripts/install-peers.sh)")
    with whole_sandbox() as sandbox:
        run(sandbox, "node", CLIENTS / script, MODULES)


def test_the_clients_for_python_work() -> None:
    """mailpit-api-client and mailhog from PyPI find, read and delete mail."""
    if not PYTHON.exists():
        pytest.skip("mailpit-api-client is not installed (scripts/install-peers.sh)")
    with whole_sandbox() as sandbox:
        run(sandbox, PYTHON, CLIENTS / "python_clients.py")
