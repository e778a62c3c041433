"""The pages about frequent failures say what ``pillarbox explain`` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.reading.text import read

FOLDER = Path(__file__).parents[2] / "docs" / "failures"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")


def quoted(page: Path) -> list[tuple[str, str]]:
    """Return each text that a page quotes, with the causes that it names."""
    text = page.read_text(encoding="utf-8")
    causes = re.search(r"<!-- causes: (.+) -->", text)
    block = re.search(r"```text\n(.+?)```", text, re.DOTALL)
    assert causes is not None
    assert block is not None
    return [(line, causes[1]) for line in block[1].splitlines()]


CASES = [(page.stem, line, causes) for page in PAGES for line, causes in quoted(page)]


@pytest.mark.parametrize(("page", "line", "causes"), CASES, ids=[f"{n}" for n in range(len(CASES))])
def test_what_a_page_quotes_is_explained_as_the_page_does(
    page: str, line: str, causes: str
) -> None:
    """Each text on a page leads to the cause that the page is about."""
    (observation,) = read(line.encode())
    assert explain(observation).causes[0].entry.id in causes.split(), page


def test_there_are_twenty_pages_and_an_index_of_all() -> None:
    """At least twenty failures have a page, and the index names each of them."""
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(PAGES) >= 20
    assert all(f"({page.name})" in index for page in PAGES)
