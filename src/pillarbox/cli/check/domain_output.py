"""The output of ``pillarbox check domain``, on the screen and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich.table import Column
from rich.text import Text

from pillarbox.checkup.publishing import FORM_NAMES, written
from pillarbox.checkup.remark import BLAMED, Area, Publish, Remark, Status
from pillarbox.checkup.rules.bulk import Rule
from pillarbox.checkup.rules.domain import DomainReport
from pillarbox.checkup.score import AreaScore
from pillarbox.cli.check.output import STATUS_STYLES, WORDS, print_remark, remark_object
from pillarbox.cli.output import Out, safe
from pillarbox.mailauth.evidence import Evidence

__all__ = ["domain_object", "print_domain"]


def print_domain(
    out: Out,
    report: DomainReport,
    *,
    form: str,
    seconds: float,
    asked: Iterable[Evidence],
    level: str,
) -> None:
    """Write a report: the score and its arithmetic, what to put right, what to publish.

    Args:
        out: Where to.
        report: What was found.
        form: How records are written.
        seconds: How long it took.
        asked: The DNS answers, for ``verbose``.
        level: "quiet", "" or "verbose".
    """
    if level == "quiet":
        for remark in report.remarks:
            if remark.status in BLAMED:
                out.line(f"{WORDS[remark.status]}  {remark.code}  {safe(remark.what)}")
        return
    _print_score(out, report, seconds)
    for remark in report.remarks:
        if remark.status is Status.PASS and level != "verbose":
            continue
        out.line()
        # Of what is only worth knowing, the evidence matters where something can be done.
        is_told = remark.status is not Status.INFO or bool(remark.fix) or level == "verbose"
        print_remark(out, remark, has_evidence=is_told)
    _print_records(out, report, form)
    _print_bulk(out, report.bulk)
    if level == "verbose":
        out.line()
        out.line(Text("DNS answers", style="quiet"))
        for one in asked:
            mark = ", signed" if one.is_authenticated else ""
            out.line(f"  {safe(str(one))}  ({one.seconds * 1000:.0f} ms{mark})")


def _print_score(out: Out, report: DomainReport, seconds: float) -> None:
    score = report.score
    percent = score.percent
    said = "not tested" if percent is None else f"{percent} of 100"
    # The points are the score, unless an area counts on neither side.
    points = "" if score.of in {0, 100} else f"{score.points} of {score.of} points "
    out.line(
        Text.assemble(
            (safe(report.facts.domain), "strong"),
            ("   score ", "quiet"),
            (said, "strong"),
            ("   grade ", "quiet"),
            (score.grade, "strong"),
            (f"   {points}in {seconds:.1f} s", "quiet"),
        )
    )
    out.line()
    columns = (
        Column("  area", no_wrap=True),
        Column("points", justify="right", no_wrap=True),
        Column("", no_wrap=True),
        Column("taken off, or what was found", overflow="fold"),
    )
    out.table(columns, (_area_row(area, report.remarks) for area in score.areas))


def _area_row(area: AreaScore, remarks: tuple[Remark, ...]) -> tuple[Text, Text, Text, Text]:
    own = [remark for remark in remarks if remark.area is area.area]
    worst = own[0].status if own else None
    if not own:
        return _row(area.area, "-", Text("does not apply", "quiet"), "")
    if area.of == 0:
        return _row(area.area, "-", Text("not tested", "quiet"), own[0].what)
    words = ", ".join(f"-{points} {code}" for code, points in area.deductions)
    passed = next((remark.what for remark in own if remark.status is Status.PASS), "")
    status = worst if worst in BLAMED else Status.PASS
    shown = Text(WORDS[status], STATUS_STYLES[status])
    return _row(area.area, f"{area.points} of {area.of}", shown, words or passed)


def _row(area: Area, points: str, word: Text, text: str) -> tuple[Text, Text, Text, Text]:
    return Text(f"  {area.value}"), Text(points), word, Text(safe(text), "quiet")


def _print_records(out: Out, report: DomainReport, form: str) -> None:
    text = written(_to_publish(report.remarks), form, zone=report.facts.domain)
    if not text:
        return
    out.line()
    out.line(Text(f"records to publish ({FORM_NAMES[form]})", style="quiet"))
    for line in text.splitlines():
        out.line(f"  {safe(line)}")
    for page in filter(None, (remark.page for remark in report.remarks)):
        out.line()
        out.line(Text(f"the page to serve at {page.url}, as text/plain", style="quiet"))
        for line in page.text.splitlines():
            out.line(f"  {safe(line)}")


def _to_publish(remarks: tuple[Remark, ...]) -> Iterator[Publish]:
    for remark in remarks:
        yield from remark.publish


def _print_bulk(out: Out, rules: tuple[Rule, ...]) -> None:
    if not rules:
        return
    out.line()
    out.line(Text("bulk senders (5,000 messages a day and more)", style="quiet"))
    columns = (Column(no_wrap=True), Column(overflow="fold"), Column(overflow="fold"))
    rows = (
        (
            Text(f"  {_MARKS[rule.status]}", STATUS_STYLES[rule.status]),
            Text(f"{rule.what}"),
            Text(rule.asked_by if rule.status is not Status.SKIP else rule.why, "quiet"),
        )
        for rule in rules
    )
    out.table(columns, rows, has_heading=False)


_MARKS: Final = {Status.PASS: "met", Status.FAIL: "NOT met", Status.SKIP: "could not be tested"}


def domain_object(report: DomainReport, asked: Iterable[Evidence]) -> dict[str, Any]:
    """Return a report as an object for JSON."""
    score = report.score
    return {
        "target": report.facts.domain,
        "score": score.percent,
        "grade": score.grade,
        "points": score.points,
        "of": score.of,
        "categories": [
            {
                "id": area.area.value,
                "score": area.points,
                "of": area.of,
                "deductions": [{"id": code, "points": points} for code, points in area.deductions],
            }
            for area in score.areas
        ],
        "findings": [remark_object(remark) for remark in report.remarks],
        "bulk_senders": [
            {
                "rule": rule.what,
                "status": rule.status.value,
                "asked_by": rule.asked_by,
                "decided_by": rule.why,
            }
            for rule in report.bulk
        ],
        "dns": [
            {
                "name": one.name,
                "type": one.type,
                "outcome": one.outcome.value,
                "records": list(one.records),
                "authenticated": one.is_authenticated,
                "seconds": round(one.seconds, 4),
            }
            for one in asked
        ],
    }
