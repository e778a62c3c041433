"""The remarks of a check: one for each thing that was tested, even where nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from pillarbox.findings import Finding, Level

__all__ = [
    "BLAMED",
    "Area",
    "Page",
    "Publish",
    "Remark",
    "RemarkMaker",
    "Status",
    "from_finding",
    "in_order",
    "remarks_of",
]


class Status(Enum):
    """What came of looking. SKIP is no judgement: it could not be tested."""

    PASS = "pass"  # noqa: S105 - a word of the output
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


BLAMED: Final = frozenset({Status.FAIL, Status.WARN})
"""What somebody has to put right."""


class Area(Enum):
    """What of a domain a remark is about."""

    RECEIVING = "receiving (MX)"
    SPF = "SPF"
    DKIM = "DKIM"
    DMARC = "DMARC"
    SENDERS = "sending hosts"
    TRANSPORT = "TLS on the way"
    LOGO = "logo (BIMI)"
    SERVER = "server"  # of ``check smtp``, which has no score


@dataclass(frozen=True, slots=True)
class Publish:
    """One record to put into DNS, with absolute names and without the last dot."""

    name: str
    type: str  # "TXT", "MX", "PTR", "CNAME", "TLSA"
    value: str  # of a TXT record: its text, not yet cut into strings


@dataclass(frozen=True, slots=True)
class Page:
    """One page to serve by HTTPS, as text/plain."""

    url: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that was looked at, why it matters, and the exact way to put it right."""

    area: Area
    status: Status
    code: str  # stable and searchable, such as PB-MX-003
    what: str
    why: str = ""
    fix: str = ""
    evidence: tuple[str, ...] = ()
    points: int = 0  # taken off the area's points
    publish: tuple[Publish, ...] = ()
    page: Page | None = None  # that goes with what is published


class RemarkMaker(Protocol):
    """Makes the remarks of one subject."""

    def __call__(
        self,
        status: Status,
        number: int,
        what: str,
        why: str = "",
        fix: str = "",
        evidence: tuple[str, ...] = (),
        *,
        points: int = 0,
        publish: tuple[Publish, ...] = (),
    ) -> Remark:
        """Return a remark; ``number`` makes its code."""
        ...


def remarks_of(area: Area, prefix: str) -> RemarkMaker:
    """Return what makes the remarks of an area whose codes begin with ``prefix``."""

    def make(
        status: Status,
        number: int,
        what: str,
        why: str = "",
        fix: str = "",
        evidence: tuple[str, ...] = (),
        *,
        points: int = 0,
        publish: tuple[Publish, ...] = (),
    ) -> Remark:
        return Remark(
            area=area,
            status=status,
            code=f"{prefix}-{number:03}",
            what=what,
            why=why,
            fix=fix,
            evidence=evidence,
            points=points,
            publish=publish,
        )

    return make


_STATUS = {
    Level.OK: Status.PASS,
    Level.NOTE: Status.INFO,
    Level.WARNING: Status.WARN,
    Level.ERROR: Status.FAIL,
}
_ORDER = (Status.FAIL, Status.WARN, Status.SKIP, Status.INFO, Status.PASS)


def from_finding(
    area: Area, finding: Finding, points: int, publish: tuple[Publish, ...] = ()
) -> Remark:
    """Return what a library found as a remark of an area."""
    return Remark(
        area=area,
        status=_STATUS[finding.level],
        code=finding.code,
        what=finding.what.rstrip("."),
        why=finding.why,
        fix=finding.fix,
        evidence=finding.evidence,
        points=points,
        publish=publish,
    )


def in_order(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
    """Return remarks with those first whose repair has most effect, and then the earlier stage."""
    return tuple(
        sorted(remarks, key=lambda one: (_ORDER.index(one.status), -one.points, _stage(one)))
    )


def _stage(remark: Remark) -> str:
    """Return what puts a server's remarks in the order of the session: their codes are so."""
    return remark.code if remark.area is Area.SERVER else ""
