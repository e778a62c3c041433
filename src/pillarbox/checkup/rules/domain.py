"""Judges a domain: runs all rules that apply to its facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pillarbox.checkup.facts.domain import DomainFacts
from pillarbox.checkup.remark import BLAMED, Area, Remark, in_order
from pillarbox.checkup.rules.authentication import judge_dkim, judge_dmarc, judge_logo, judge_spf
from pillarbox.checkup.rules.block_lists import judge_lists
from pillarbox.checkup.rules.bulk import Rule, judge_bulk
from pillarbox.checkup.rules.caa import judge_caa
from pillarbox.checkup.rules.exchangers import judge_exchangers
from pillarbox.checkup.rules.hosting import with_hosting
from pillarbox.checkup.rules.receiving import judge_receiving
from pillarbox.checkup.rules.senders import judge_senders
from pillarbox.checkup.rules.spf_limit import Includer, judge_spf_limit
from pillarbox.checkup.rules.strays import judge_strays
from pillarbox.checkup.rules.transport import judge_transport
from pillarbox.checkup.score import Score, score
from pillarbox.mailauth.resolver import Outcome

__all__ = ["DomainReport", "judge_domain"]

_OVER_LIMIT = "PB-SPF-004"
_EXPLAINED = {Area.SPF: "PB-SPF-001", Area.DMARC: "PB-DMARC-003"}  # that there is no record
_JUDGES = (
    judge_spf,
    judge_dkim,
    judge_dmarc,
    judge_senders,
    judge_transport,
    judge_exchangers,
    judge_logo,
    judge_caa,
    judge_lists,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReport:
    """What is to be said of a domain."""

    facts: DomainFacts
    remarks: tuple[Remark, ...]  # those with most effect first
    score: Score
    bulk: tuple[Rule, ...]


def judge_domain(facts: DomainFacts, *, includer: Includer = lambda _: None) -> DomainReport:
    """Return what is to be said of a domain.

    Args:
        facts: What was found out.
        includer: Tells whose include a name is, where that is known.
    """
    remarks = list(judge_receiving(facts))
    # Of a name that does not exist, nothing else is worth saying.
    if facts.mx is None or facts.mx.outcome is not Outcome.NO_SUCH_NAME:
        remarks += [remark for judge in _JUDGES for remark in judge(facts)]
    ordered = in_order(tuple(_explained(remarks, tuple(judge_strays(facts)))))
    ordered = tuple(with_hosting(ordered, facts, includer))
    if facts.spf is not None:
        ordered = _followed(ordered, _OVER_LIMIT, tuple(judge_spf_limit(facts.spf, includer)))
    return DomainReport(
        facts=facts, remarks=ordered, score=score(ordered), bulk=judge_bulk(ordered)
    )


def _explained(remarks: list[Remark], strays: tuple[Remark, ...]) -> Iterator[Remark]:
    """Yield remarks; where a stray record says why there is none, it stands in that one's place."""
    by_code = {_EXPLAINED[stray.area]: stray for stray in strays}
    for remark in remarks:
        stray = by_code.get(remark.code) if remark.status in BLAMED else None
        yield remark if stray is None else replace(stray, points=remark.points)


def _followed(
    remarks: tuple[Remark, ...], code: str, following: tuple[Remark, ...]
) -> tuple[Remark, ...]:
    """Return remarks with others right behind that which they explain."""
    at = next((number for number, one in enumerate(remarks, 1) if one.code == code), len(remarks))
    return (*remarks[:at], *following, *remarks[at:])
