"""What a command does not use is not loaded: it is quick, and a node is small."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("acme", "requests", "asyncpg", "ldap3", "joserfc", "fastapi", "pydantic", "jinja2")
"""Loaded where a certificate is fetched, a store is a database, tokens are read, pages are shown."""


def loaded_by(statement: str) -> set[str]:
    """Return the packages that a statement loads in a fresh interpreter."""
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import pillarbox.node.process",
        "from pillarbox.cli.main import cli; cli(['--help'], standalone_mode=False)",
    ],
    ids=["a node", "the help"],
)
def test_heavy_packages_are_loaded_where_they_are_used(statement: str) -> None:
    """Neither a node nor the help loads libraries that its configuration may never need."""
    assert not loaded_by(statement) & set(HEAVY)


def test_the_help_loads_no_command() -> None:
    """The list of commands is printed without importing any of them."""
    found = loaded_by("from pillarbox.cli.main import cli; cli(['--help'], standalone_mode=False)")
    assert not found & {"apsw", "cryptography", "dns", "uvloop"}
