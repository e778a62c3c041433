"""HTML mail of others: what caniemail.com tests, and templates that are known to be good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import yaml
from tests.preflight_mail import assess_octets, mail
from tests.suites.registry import Case, Suite

from pillarbox.findings import Level
from pillarbox.message.plain import html_to_text
from pillarbox.preflight.clients.support import features, used_features
from pillarbox.preflight.page import read_page

__all__ = ["SUITES"]

_WORDS: Final = {"y": "yes", "a": "partly", "n": "no", "u": "unknown"}

_TEST: Final = re.compile(r'^test_url: *"/(tests/[^"]+)"', re.MULTILINE)
# What the templates have on purpose: marks to fill in, and a way to unsubscribe that needs fields.
_MEANT: Final = frozenset({"PB-MAIL-220", "PB-MAIL-140"})


def _features(folder: Path) -> Iterator[Case]:
    for slug in features():
        found = _TEST.search((folder / "_features" / f"{slug}.md").read_text(encoding="utf-8"))
        if found is not None:
            yield Case(slug, partial(_is_found, slug, folder / found[1]))


def _is_found(slug: str, page: Path) -> str:
    used = used_features(read_page(page.read_text(encoding="utf-8", errors="replace")))
    return "" if slug in used else f"{page.name} does not show it"


def _facts(folder: Path) -> Iterator[Case]:
    for slug in features():
        yield Case(slug, partial(_is_as_tested, slug, folder / "_features" / f"{slug}.md"))


def _is_as_tested(slug: str, page: Path) -> str:
    """Compare with the last test of each client, as the site's own page has it."""
    front = page.read_text(encoding="utf-8").split("\n---", 1)[0].removeprefix("---\n")
    tested = yaml.safe_load(front.replace("\t", "    "))["stats"]
    wrong = [
        name
        for name, said in features()[slug].support.items()
        if (versions := tested.get(name.partition(".")[0], {}).get(name.partition(".")[2]))
        and _WORDS[str([*versions.values()][-1])[0].lower()] != said.value
    ]
    return ", ".join(wrong)


def _templates(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("*.html")):
        yield Case(str(path.relative_to(folder)), partial(_is_calm, path))


def _is_calm(path: Path) -> str:
    html = path.read_text(encoding="utf-8", errors="replace")
    found = assess_octets(mail(html, html_to_text(html)))
    blamed = [
        one.finding.what
        for one in found.findings
        if one.finding.level > Level.NOTE and one.finding.code not in _MEANT
    ]
    return "; ".join(blamed)


SUITES: Final[tuple[Suite, ...]] = (
    Suite(
        "caniemail/features",
        _features,
        {
            "css-flex-wrap": "The page that the test names does not use flex-wrap.",
            "image-apng": "An animated PNG cannot be told from another by its address.",
        },
    ),
    Suite("caniemail/facts", _facts),
    Suite("html-templates/calm", _templates),
)
