"""The order of the tests: the longest begin first, and the workers share them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

LONGEST: Final = ("tests/faults/test_kill.py::",)
"""How the names of tests begin that take several seconds each, from the longest on."""


def longest_first(items: Sequence[T], workers: int, *, name: Callable[[T], str]) -> list[T]:
    """Return the tests in the order in which they should begin.

    pytest-xdist hands each worker an equal part of the list, one after the other, and lets those
    who are done take from the ends of the others' parts. So each part begins with its share of
    the longest tests, and the rest keep their order: tests of a module share what it sets up.

    Args:
        items: The tests.
        workers: How many processes run them.
        name: Returns the name of a test.
    """
    ranks = {id(item): _rank(name(item)) for item in items}
    longest = sorted(
        (item for item in items if ranks[id(item)] < len(LONGEST)), key=lambda item: ranks[id(item)]
    )
    rest = iter([item for item in items if ranks[id(item)] == len(LONGEST)])
    ordered: list[T] = []
    for worker in range(workers):
        share = longest[worker::workers]
        size = (len(items) - len(ordered)) // (workers - worker)
        ordered += (*share, *islice(rest, max(size - len(share), 0)))
    return [*ordered, *rest]


def _rank(name: str) -> int:
    return next((n for n, start in enumerate(LONGEST) if name.startswith(start)), len(LONGEST))
