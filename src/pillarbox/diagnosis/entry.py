"""A cause of failure as the catalog knows it: how to tell it, whose fault it is, what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum, IntEnum

from pillarbox.diagnosis.observation import Source
from pillarbox.diagnosis.phrase import Phrase
from pillarbox.smtp.client_outcome import Stage

__all__ = ["Certainty", "Entry", "Fault", "Lasting", "Pattern"]


class Fault(Enum):
    """Who can put it right."""

    PROGRAM = "your program"
    CREDENTIAL = "your credential"
    DNS = "your DNS"
    REPUTATION = "this server's address or reputation"
    CONTENT = "this content"
    RECIPIENT = "this recipient"
    THEIRS = "their system"
    NETWORK = "the network or hosting provider"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


class Lasting(Enum):
    """Whether the same may pass later without anybody changing anything."""

    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    AS_REPLIED = "as the reply says"


class Certainty(IntEnum):
    """How sure it is that this is the cause."""

    POSSIBLE = 1
    LIKELY = 2
    CERTAIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What has to hold, all of it, for an observation to point at an entry."""

    codes: frozenset[str] = frozenset()  # "550", "4xx"
    enhanced: frozenset[str] = frozenset()  # "5.1.1", "x.1.1"
    phrases: tuple[Phrase, ...] = ()  # one of them
    stages: frozenset[Stage] = frozenset()
    providers: frozenset[str] = frozenset()
    sources: frozenset[Source] = frozenset()  # the kinds of text that it may be read from
    certainty: Certainty | None = None  # None: by what the pattern looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cause, with what to do now and for good, and where it is known from."""

    id: str
    kind: str  # the class: "mailbox-full"; several entries may share one
    title: str
    stage: Stage | None
    fault: Fault
    lasting: Lasting
    why: str
    now: str
    for_good: str
    sources: tuple[str, ...]
    provider: str = ""
    is_hard: bool = False  # the address is dead: send nothing more to it
    since: date | None = None
    until: date | None = None
    patterns: tuple[Pattern, ...] = field(repr=False)
