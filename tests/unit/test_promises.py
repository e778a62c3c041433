"""The list of what is promised names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z]+/[\w.]+(?:\.py|\.dialog))(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_every_test_that_is_named_exists(file: str, test: str) -> None:
    """A test that is renamed or removed takes its row in docs/promises.md with it."""
    path = TESTS / file
    assert path.is_file(), file
    if test:
        module = ast.parse(path.read_text(encoding="utf-8"))
        assert test in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test() -> None:
    """A promise without a proof is none."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and " --- " not in line]
    assert all(
        "::" in row or ".dialog`" in row or ".py`" in row for row in rows if "proved" not in row
    )
    assert len(rows) > 50
