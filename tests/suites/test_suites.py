"""The outside suites, each as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.suites.catalog import SUITES
from tests.suites.document import document
from tests.suites.registry import Suite, run


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_the_suite_passes_but_for_its_known_differences(suite: Suite) -> None:
    """Every case is judged as the suite expects, or is listed as a difference with its reason."""
    if not suite.folder.exists():
        pytest.skip(f"{suite.name} is not on this machine ({suite.folder})")
    tally = run(suite)
    assert tally.total
    assert not tally.unexplained
    assert not tally.healed


def test_the_page_names_every_difference() -> None:
    """``docs/suites.md`` is what ``python -m tests.suites --document`` prints."""
    page = Path(__file__).parents[2] / "docs" / "suites.md"
    assert page.read_text(encoding="utf-8") == document()
