"""Prints single reports: one line each, or each with its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.table import Column
from rich.text import Text

from pillarbox.cli.output import Out, plural, safe
from pillarbox.events.text import show_time
from pillarbox.reports.received import ReceivedReport, ReceivedRow

__all__ = ["print_each", "print_list"]

_MOST_ROWS: Final = 20  # of one report on the screen; JSON has more
_NOUNS: Final = {"dmarc": "message", "tls": "session"}


def print_list(out: Out, found: list[ReceivedReport]) -> None:
    """Write a line for each report, and who fails most over all of them."""
    if not found:
        out.say("No reports have been received, or those that were are of other domains.")
        return
    noun = _NOUNS[found[0].kind]
    out.table(
        (
            Column("day", no_wrap=True),
            Column("domain", overflow="fold"),
            Column("by", overflow="fold", ratio=2),
            Column(f"{noun}s", justify="right"),
            Column("failed", justify="right"),
            Column("policy", no_wrap=True),
            Column("sender", no_wrap=True),
        ),
        (
            (
                show_time(report.begin)[:10],
                safe(report.domain),
                safe(report.organization or report.contact) or "-",
                f"{report.total:,}",
                Text(f"{report.failed:,}", style="bad" if report.failed else "quiet"),
                safe(report.policy),
                Text("proved") if report.is_proved else Text("not proved", style="doubt"),
            )
            for report in found
        ),
    )
    worst = _worst(found)
    if worst:
        out.line()
        _print_rows(out, worst, noun)
    total, failed = sum(each.total for each in found), sum(each.failed for each in found)
    out.say(f"{plural(len(found), 'report')}, {plural(total, noun)}, {failed:,} failed.")


def _worst(found: Iterable[ReceivedReport]) -> list[ReceivedRow]:
    """Return what fails, added up over reports."""
    counts: dict[tuple[str, str], int] = {}
    for report in found:
        for row in report.rows:
            if row.result != "pass":
                counts[row.what, row.detail] = counts.get((row.what, row.detail), 0) + row.count
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:_MOST_ROWS]
    return [ReceivedRow(what, count, "fail", detail) for (what, detail), count in ordered]


def print_each(out: Out, found: list[ReceivedReport]) -> None:
    """Write each report with its rows, the worst first."""
    for number, report in enumerate(found):
        if number:
            out.line()
        noun = _NOUNS[report.kind]
        out.line(Text.assemble(("report  ", "quiet"), (safe(report.report_id), "id")))
        for label, text in _facts(report, noun):
            out.line(Text.assemble((f"  {label:9} ", "quiet"), text))
        if report.rows:
            out.line()
            _print_rows(out, report.rows[:_MOST_ROWS], noun)
        left_out = report.rows_left_out + max(len(report.rows) - _MOST_ROWS, 0)
        if left_out:
            out.say(f"{plural(left_out, 'more row')}.")
        for problem in report.problems:
            out.say(f"passed over: {safe(problem)}", style="doubt")


def _facts(report: ReceivedReport, noun: str) -> Iterator[tuple[str, str]]:
    yield "by", f"{safe(report.organization) or '-'}, {safe(report.contact) or '-'}"
    yield "period", f"{show_time(report.begin)} to {show_time(report.end)}"
    yield "policy", f"{safe(report.policy)} at {safe(report.domain)}"
    yield f"{noun}s", f"{report.total:,}, {report.failed:,} of them failed"


def _print_rows(out: Out, rows: Iterable[ReceivedRow], noun: str) -> None:
    out.table(
        (
            Column("  from" if noun == "message" else "  to", no_wrap=True),
            Column(f"{noun}s", justify="right"),
            Column("result", no_wrap=True),
            Column("detail", overflow="fold", ratio=3, style="quiet"),
        ),
        (
            (
                f"  {safe(row.what)}",
                f"{row.count:,}",
                Text(safe(row.result), style="good" if row.result == "pass" else "bad"),
                safe(row.detail),
            )
            for row in rows
        ),
    )
