"""``docs/suites.md``, written from the suites themselves."""

from __future__ import annotations

from collections.abc import Iterator

from tests.suites.catalog import SUITES

__all__ = ["document"]

_HEAD = """\
# The outside suites

`make suites` runs the test data of others against pillarbox and prints one line for each suite:
how many cases come out as their authors expect. The data lies beside the project (`../shared/suites`)
and is no part of it. The cases below are judged otherwise on purpose; any other that differs
fails the tests. (Written by `python -m tests.suites --document`.)
"""


def document() -> str:
    """Return the page: each suite, and its cases that we judge otherwise."""
    return "\n".join((_HEAD, *_lines())) + "\n"


def _lines() -> Iterator[str]:
    for suite in SUITES:
        if not suite.differences:
            yield f"* `{suite.name}`: as expected"
            continue
        yield f"* `{suite.name}`: as expected, but for"
        for name, reason in suite.differences.items():
            yield f"  * {name}: {reason}"
