"""The assessment of a message, prepared for its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import (
    Aspect,
    Assessment,
    ClientTally,
    FeatureUse,
    Judged,
    Support,
)
from pillarbox.preflight.facts import LinkAnswer, MethodFact, SpamVerdict
from pillarbox.preflight.kept import from_json

__all__ = ["ChecksView", "Verdict", "checks_view", "read_verdict", "verdict_of"]

_GOOD: Final = 9.0  # points
_FAIR: Final = 6.0
_MOST_FEATURES: Final = 60
_KINDS: Final = {Level.WARNING: "warning", Level.ERROR: "error"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score in short."""

    points: str
    kind: str  # "ok", "warning", "error": the color, by the worst finding
    count: int  # of warnings and errors


@dataclass(frozen=True, slots=True)
class Row:
    """One finding."""

    finding: object  # a ``findings.Finding``: the macro knows it
    cost: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The findings of one aspect."""

    title: str
    worst: Level
    bad: int  # how many have the worst level
    open: tuple[Row, ...]
    fine: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class DeductionView:
    """One row of the arithmetic."""

    code: str
    what: str
    points: str


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A feature that some clients lack."""

    title: str
    url: str
    no: tuple[str, ...]
    partly: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksView:
    """Everything on the page."""

    points: str
    kind: str
    title: str
    counts: tuple[tuple[Level, int], ...]
    deductions: tuple[DeductionView, ...]
    groups: tuple[Group, ...]
    clients: tuple[ClientTally, ...]
    features: tuple[FeatureView, ...]
    links: tuple[LinkAnswer, ...] | None
    authentication: tuple[MethodFact, ...] | None
    spam: tuple[SpamVerdict, ...] | None


def read_verdict(kept: bytes) -> Verdict | None:
    """Return the score of a stored assessment."""
    assessment = from_json(kept)
    return verdict_of(assessment) if assessment else None


def verdict_of(assessment: Assessment) -> Verdict:
    """Return the score in short."""
    bad = assessment.count(Level.WARNING) + assessment.count(Level.ERROR)
    return Verdict(f"{assessment.score.points:g}", _KINDS.get(assessment.worst, "ok"), bad)


def checks_view(assessment: Assessment) -> ChecksView:
    """Return an assessment ready for its page."""
    points = assessment.score.points
    levels = (Level.ERROR, Level.WARNING, Level.NOTE)
    counts = tuple((level, assessment.count(level)) for level in levels)
    groups = [_group(aspect.title, assessment.of(aspect)) for aspect in Aspect]
    shown = [group for group in groups if group is not None]
    return ChecksView(
        points=f"{points:g}",
        kind=_kind(points),
        title=_title(assessment),
        counts=tuple((level, count) for level, count in counts if count),
        deductions=tuple(
            DeductionView(row.code, row.what, f"{row.tenths / 10:g}")
            for row in assessment.score.deductions
        ),
        groups=tuple(sorted(shown, key=lambda group: -group.worst)),
        clients=assessment.clients.clients,
        features=tuple(_feature(use) for use in assessment.clients.features[:_MOST_FEATURES]),
        links=assessment.links,
        authentication=assessment.authentication,
        spam=assessment.spam,
    )


def _kind(points: float) -> str:
    return "ok" if points >= _GOOD else "warning" if points >= _FAIR else "error"


def _title(assessment: Assessment) -> str:
    match assessment.worst:
        case Level.ERROR:
            return "Something is broken for readers or receivers"
        case Level.WARNING:
            return "It will arrive, but can be improved"
        case _:
            return "No problems found"


def _group(title: str, judged: tuple[Judged, ...]) -> Group | None:
    if not judged:
        return None
    worst = max(one.finding.level for one in judged)
    return Group(
        title=title,
        worst=worst,
        bad=sum(one.finding.level is worst for one in judged),
        open=tuple(_row(one) for one in judged if one.finding.level is not Level.OK),
        fine=tuple(_row(one) for one in judged if one.finding.level is Level.OK),
    )


def _row(one: Judged) -> Row:
    return Row(one.finding, f"−{one.tenths / 10:g}" if one.tenths else "", one.lines)  # noqa: RUF001 - a minus sign


def _feature(use: FeatureUse) -> FeatureView:
    def lacking(support: Support) -> tuple[str, ...]:
        return tuple(name for name, value in use.support.items() if value is support)

    return FeatureView(use.title, use.url, lacking(Support.NO), lacking(Support.PARTLY))
