"""The order of the tests: the longest begin first, and the workers share them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

LONGEST: Final = (
    "tests/faults/test_memory.py::",
    "tests/interop/test_testssl.py::",
    "tests/comparison/test_comparison.py::",
    "tests/faults/test_kill.py::",
    "tests/integration/test_testing.py::test_the_examples_of_pytest_in_many_processes",
    "tests/browser/test_accessibility.py::",
    "tests/faults/test_store_crashes.py::",
    "tests/faults/test_postgres_down.py::",
    "tests/faults/test_outages.py::",
    "tests/faults/test_disk_full.py::",
    "tests/browser/test_hostile_mail.py::",
    "tests/property/test_store_models.py::",
    "tests/integration/test_delivery.py::test_a_dead_site_is_dialed_once_and_not_once_a_message",
    "tests/integration/test_delivery.py::test_a_backlog_is_read_back_in_parts",
    "tests/integration/test_notifications.py::test_a_delay_is_told_once_after_four_hours",
    "tests/suites/test_suites.py::test_the_suite_passes_but_for_its_known_differences[caniemail",
    "tests/interop/test_servers.py::",
    "tests/interop/test_chunking.py::",
)
"""How the names of tests begin that take seconds each, from the longest on."""


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
