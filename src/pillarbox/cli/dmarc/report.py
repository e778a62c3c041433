"""Prints a received DMARC aggregate report, on the screen and as JSON."""

from __future__ import annotations

from typing import Any, Final

from rich.table import Column
from rich.text import Text

from pillarbox.cli.output import Out, plural, safe
from pillarbox.events.text import show_time
from pillarbox.mailauth.dmarc_report import Report, Row

__all__ = ["print_report", "report_object"]

_MOST_ROWS: Final = 50  # on the screen; JSON has them all


def print_report(out: Out, report: Report) -> None:
    """Write what a report says: the sources with most mail that failed come first."""
    policy = report.policy
    facts = (
        ("by", f"{safe(report.organization) or '-'}, {safe(report.email) or '-'}"),
        ("period", f"{show_time(report.begin)} to {show_time(report.end)}"),
        ("policy", f"{safe(policy.p)} at {safe(policy.domain)}"),
        ("messages", f"{report.messages:,}, {report.passed:,} of them pass"),
    )
    out.line(Text.assemble(("report  ", "quiet"), (safe(report.report_id), "id")))
    for label, text in facts:
        out.line(Text.assemble((f"  {label:9} ", "quiet"), text))
    rows = sorted(report.rows, key=lambda row: (row.passes, -row.count))
    out.line()
    out.table(
        (
            Column("  source", no_wrap=True),
            Column("messages", justify="right"),
            Column("DKIM", no_wrap=True),
            Column("SPF", no_wrap=True),
            Column("done", no_wrap=True),
            Column("From", overflow="fold", ratio=2),
            Column("seen", overflow="fold", ratio=3, style="quiet"),
        ),
        (
            (
                f"  {row.source_ip}",
                f"{row.count:,}",
                _passed(row.dkim),
                _passed(row.spf),
                row.disposition,
                safe(row.header_from),
                safe(_seen(row)),
            )
            for row in rows[:_MOST_ROWS]
        ),
    )
    if len(rows) > _MOST_ROWS:
        out.say(f"{plural(len(rows) - _MOST_ROWS, 'more row')}; --json has them all.")


def _passed(result: str) -> Text:
    return Text(result, style="good" if result == "pass" else "bad")


def _seen(row: Row) -> str:
    parts = [f"dkim={one.result} {one.domain}" for one in row.dkim_auth]
    parts += [f"spf={one.result} {one.domain}" for one in row.spf_auth]
    parts += [f"{one.type} {one.comment}".strip() for one in row.reasons]
    return ", ".join(parts)


def report_object(report: Report) -> dict[str, Any]:
    """Return a report as an object for JSON."""
    return {
        "organization": report.organization,
        "email": report.email,
        "report_id": report.report_id,
        "begin": report.begin,
        "end": report.end,
        "domain": report.policy.domain,
        "policy": report.policy.p,
        "messages": report.messages,
        "passed": report.passed,
        "rows": [
            {
                "source": row.source_ip,
                "count": row.count,
                "disposition": row.disposition,
                "dkim": row.dkim,
                "spf": row.spf,
                "header_from": row.header_from,
                "envelope_from": row.envelope_from,
                "seen": _seen(row),
            }
            for row in report.rows
        ],
    }
