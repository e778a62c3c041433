"""The assessment of a message: findings by aspect, a score with its arithmetic, client support.

It is a value; ``preflight.kept`` serializes it, so that it can be stored beside the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from msgspec import Struct

from pillarbox.findings import Finding, Level
from pillarbox.preflight.facts import LinkAnswer, MethodFact, SpamVerdict

__all__ = [
    "Aspect",
    "Assessment",
    "ClientSupport",
    "ClientTally",
    "Deduction",
    "FeatureUse",
    "Judged",
    "Score",
    "Support",
    "make_score",
]

_FULL: Final = 100  # tenths of a point


class Aspect(Enum):
    """What of a mail a finding is about."""

    AUTHENTICATION = "authentication"
    HEADERS = "headers"
    CONTENT = "content"
    LINKS = "links"
    RENDERING = "rendering"
    SAFETY = "safety"
    SIZE = "size"
    ATTACHMENTS = "attachments"
    SPAM = "spam"

    @property
    def title(self) -> str:
        """The aspect as people read it."""
        return _TITLES[self]


_TITLES: Final = {
    Aspect.AUTHENTICATION: "Authentication",
    Aspect.HEADERS: "Headers",
    Aspect.CONTENT: "Content",
    Aspect.LINKS: "Links",
    Aspect.RENDERING: "How clients show it",
    Aspect.SAFETY: "Safety",
    Aspect.SIZE: "Size",
    Aspect.ATTACHMENTS: "Attachments",
    Aspect.SPAM: "Spam filters",
}


class Judged(Struct, frozen=True, kw_only=True):
    """One finding, and where it stands."""

    aspect: Aspect
    finding: Finding
    tenths: int = 0  # of a point that it takes off
    lines: tuple[int, ...] = ()  # of the HTML, from 1, where it can be told


class Deduction(Struct, frozen=True):
    """One row of the arithmetic."""

    code: str
    what: str
    tenths: int  # as taken off; less than the finding's where its aspect was used up


class Score(Struct, frozen=True):
    """Ten points, less the deductions."""

    deductions: tuple[Deduction, ...] = ()

    @property
    def tenths(self) -> int:
        """What is left, in tenths of a point, at least 0."""
        return max(_FULL - sum(row.tenths for row in self.deductions), 0)

    @property
    def points(self) -> float:
        """What is left, 0 to 10, with one decimal."""
        return self.tenths / 10

    @property
    def arithmetic(self) -> str:
        """The whole sum in one line: ``10 - 1.5 (PB-MAIL-201) = 8.5``."""
        rows = "".join(f" - {row.tenths / 10:g} ({row.code})" for row in self.deductions)
        return f"10{rows} = {self.points:g}"


class Support(Enum):
    """Whether a client supports a feature, as caniemail.com has tested."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    UNKNOWN = "unknown"


class FeatureUse(Struct, frozen=True, kw_only=True):
    """A feature of HTML or CSS that the mail uses."""

    slug: str  # as in https://www.caniemail.com/features/SLUG/
    title: str
    category: str  # "html", "css", "image", "others"
    count: int
    lines: tuple[int, ...]  # of the HTML, from 1: the first few
    support: dict[str, Support]  # by the name of the client; those that support it are left out
    notes: dict[str, str] = {}  # by the name of the client: what is missing there

    @property
    def url(self) -> str:
        """Where the tests are."""
        return f"https://www.caniemail.com/features/{self.slug}/"


class ClientTally(Struct, frozen=True, kw_only=True):
    """How much of what the mail uses one client supports."""

    name: str  # "gmail.ios"
    family: str  # "Gmail"
    platform: str  # "iOS"
    yes: int
    partly: int
    no: int
    unknown: int

    @property
    def percent(self) -> int | None:
        """Supported, partly ones by half, of those that are known; None where none is."""
        known = self.yes + self.partly + self.no
        return (2 * self.yes + self.partly) * 50 // known if known else None


class ClientSupport(Struct, frozen=True):
    """What the clients make of the HTML. Market shares are nobody's facts, and left out."""

    clients: tuple[ClientTally, ...] = ()  # the widest families first
    features: tuple[FeatureUse, ...] = ()  # the least supported first


class Assessment(Struct, frozen=True, kw_only=True):
    """All that is thought of a mail."""

    findings: tuple[Judged, ...]  # the worst first; OK ones are among them
    score: Score
    clients: ClientSupport = ClientSupport()
    authentication: tuple[MethodFact, ...] | None = None  # None: not asked
    links: tuple[LinkAnswer, ...] | None = None  # None: not asked
    spam: tuple[SpamVerdict, ...] | None = None  # None: not asked

    @property
    def worst(self) -> Level:
        """The level of the worst finding."""
        return max((one.finding.level for one in self.findings), default=Level.OK)

    def of(self, aspect: Aspect) -> tuple[Judged, ...]:
        """Return the findings of one aspect."""
        return tuple(one for one in self.findings if one.aspect is aspect)

    def count(self, level: Level) -> int:
        """Return how many findings have a level."""
        return sum(one.finding.level is level for one in self.findings)


def make_score(findings: Iterable[Judged]) -> Score:
    """Return what findings come to; they take off what they say, and never below 0."""
    left, rows = _FULL, []
    for judged in findings:
        taken = min(judged.tenths, left)
        if taken:
            rows.append(Deduction(judged.finding.code, judged.finding.what, taken))
            left -= taken
    return Score(tuple(rows))
