"""What all tests share: how Hypothesis searches, and which tests begin first."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from tests.longest import longest_first

# The machines are shared and slow now and then: time is judged by bench/, not here.
settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# A change is judged by the same examples each time; people's runs look for new ones.
settings.register_profile("judge", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("judge" if os.environ.get("CI") else "search")

# Readline sets these where there is no terminal: what a command prints is then as wide as that.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the longest tests begin first, so that no worker is left alone with one at the end."""
    if (worker := getattr(config, "workerinput", None)) is not None:
        items[:] = longest_first(items, worker["workercount"], name=lambda item: item.nodeid)
