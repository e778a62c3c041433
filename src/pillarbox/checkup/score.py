"""The score of a domain: the points of each area, minus what its remarks deduct.

An area that could not be tested, or that does not apply, counts neither for nor against.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pillarbox.checkup.remark import Area, Remark, Status

__all__ = ["WEIGHTS", "AreaScore", "Score", "score"]

WEIGHTS: Final = {
    Area.RECEIVING: 20,
    Area.SPF: 20,
    Area.DKIM: 20,
    Area.DMARC: 20,
    Area.SENDERS: 10,
    Area.TRANSPORT: 10,
}
_GRADES: Final = ((95, "A+"), (85, "A"), (75, "B"), (65, "C"), (50, "D"), (0, "F"))


@dataclass(frozen=True, slots=True)
class AreaScore:
    """The points of one area."""

    area: Area
    of: int  # 0 where it does not count
    deductions: tuple[tuple[str, int], ...]  # code and points, as far as the area has any left

    @property
    def points(self) -> int:
        """What is left."""
        return self.of - sum(points for _, points in self.deductions)


@dataclass(frozen=True, slots=True)
class Score:
    """The points of a domain."""

    areas: tuple[AreaScore, ...]

    @property
    def points(self) -> int:
        """The points of all areas."""
        return sum(area.points for area in self.areas)

    @property
    def of(self) -> int:
        """The most that was to be had."""
        return sum(area.of for area in self.areas)

    @property
    def percent(self) -> int | None:
        """The points in percent of what was to be had, None where nothing could be tested."""
        return self.points * 100 // self.of if self.of else None

    @property
    def grade(self) -> str:
        """The percentage as a letter."""
        percent = self.percent
        if percent is None:
            return "-"
        return next(letter for least, letter in _GRADES if percent >= least)


def score(remarks: Iterable[Remark]) -> Score:
    """Return the score that remarks come to."""
    said = tuple(remarks)
    return Score(tuple(_of_area(area, weight, said) for area, weight in WEIGHTS.items()))


def _of_area(area: Area, weight: int, remarks: tuple[Remark, ...]) -> AreaScore:
    own = [remark for remark in remarks if remark.area is area]
    if all(remark.status is Status.SKIP for remark in own):
        return AreaScore(area, 0, ())
    left, deductions = weight, []
    for remark in own:
        taken = min(remark.points, left)
        if taken:
            deductions.append((remark.code, taken))
            left -= taken
    return AreaScore(area, weight, tuple(deductions))
