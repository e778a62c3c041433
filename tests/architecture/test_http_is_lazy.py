"""Who does not speak HTTP does not pay for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = (
    "fastapi",
    "starlette",
    "pydantic",
    "uvicorn",
    "httptools",
    "jinja2",
    "prometheus_client",
)


@pytest.mark.parametrize(
    "module",
    [
        "pillarbox",
        "pillarbox.cli.main",
        "pillarbox.cli.sandbox.command",
        "pillarbox.cli.ready",
        "pillarbox.cli.serve",
        "pillarbox.node.node",
        "pillarbox.node.sandbox",
        "pillarbox.sandbox.service",
        "pillarbox.smtp",
        "pillarbox.mailauth",
    ],
)
def test_http_is_imported_only_where_it_is_spoken(module: str) -> None:
    """Importing a command, a node or a library brings in no part of the HTTP stack."""
    code = f"import sys, {module}; print(*(name for name in {FRAMEWORKS!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
