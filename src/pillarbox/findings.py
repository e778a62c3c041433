"""A finding: one thing that was examined, and the conclusion.

Every package that judges (configuration, store, checks from the outside) returns findings; the
command line, the HTTP API and the console print them the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Finding", "Level"]


class Level(IntEnum):
    """How much a finding matters; the higher, the worse."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, why it matters, and the exact way to put it right."""

    level: Level
    code: str  # stable and searchable, such as PB-CONFIG-004
    what: str  # one sentence: the fact
    why: str = ""  # one sentence: what follows from it
    fix: str = ""  # the record, command or setting to use
    evidence: tuple[str, ...] = ()  # what it was concluded from: lines, answers, paths
