"""What an outside suite is, and how many of its cases hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["FOLDER", "Case", "Suite", "Tally", "run"]

FOLDER: Final = Path(__file__).parents[3] / "shared" / "suites"


@dataclass(frozen=True, slots=True)
class Case:
    """One case: ``check`` returns what is wrong in words, "" where all is as expected."""

    name: str
    check: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Suite:
    """The cases of one kind in one folder of ``FOLDER``.

    ``differences`` holds the cases that we judge otherwise on purpose, each with the reason;
    ``docs/suites.md`` prints them.
    """

    name: str  # "spf-openspf/rfc7208"; its first part is the folder
    cases: Callable[[Path], Iterable[Case]]
    differences: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the suite lies."""
        return FOLDER / self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a suite."""

    suite: Suite
    total: int
    wrong: Mapping[str, str]  # by name: what is wrong, known differences included

    @property
    def unexplained(self) -> Mapping[str, str]:
        """The cases that fail without being a known difference."""
        return {
            name: what for name, what in self.wrong.items() if name not in self.suite.differences
        }

    @property
    def healed(self) -> frozenset[str]:
        """Known differences that no longer differ, or that the suite no longer has."""
        return frozenset(self.suite.differences) - frozenset(self.wrong)

    def __str__(self) -> str:
        return f"{self.suite.name} {self.total - len(self.wrong)}/{self.total}"


def run(suite: Suite) -> Tally:
    """Try every case of a suite that is on this machine."""
    cases = list(suite.cases(suite.folder))
    outcomes = {case.name: case.check() for case in cases}
    if len(outcomes) != len(cases):
        raise ValueError(f"{suite.name}: two cases have the same name")
    return Tally(suite, len(cases), {name: what for name, what in outcomes.items() if what})
