"""``pillarbox reports``: what others report about our domains, from files or as received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.access import reach
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import Out, plural, safe
from pillarbox.control import protocol as p
from pillarbox.events.text import show_time
from pillarbox.reports.received import Found, ReceivedReport, ReceivedRow, read_file
from pillarbox.reports.shelf import RECEIVED, newest_first

__all__ = ["reports"]

_LARGEST: Final = 32 * 1024 * 1024  # octets, of a message in base64
_MOST_ROWS: Final = 20  # of one report on the screen; JSON has more
_NOUNS: Final = {"dmarc": "message", "tls": "session"}


@click.group()
def reports() -> None:
    """Look at reports about our domains: DMARC (who sends as us) and TLS (who can reach us)."""


def _command(kind: str, about: str) -> None:
    @reports.command(kind, help=about, short_help=about.partition(".")[0] + ".")
    @click.argument(
        "files",
        nargs=-1,
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        metavar="FILE...",
    )
    @click.option("--received", is_flag=True, help="Those that the node was sent and has kept.")
    @click.option("--domain", default="", help="Only those about this domain.")
    @click.option("--failed", is_flag=True, help="Only those with failures.")
    @click.option("--json", "as_json", is_flag=True, help="A JSON object a line for each report.")
    @pass_context
    def command(
        context: Context,
        files: tuple[Path, ...],
        received: bool,  # noqa: FBT001 - click
        domain: str,
        failed: bool,  # noqa: FBT001 - click
        as_json: bool,  # noqa: FBT001 - click
    ) -> None:
        if bool(files) == received:
            raise click.UsageError("Name files, or say --received.")
        found = _received(context, kind) if received else _in_files(context.out, kind, files)
        wanted = [
            report
            for report in found
            if (not domain or domain.lower() in report.domain.lower().split(", "))
            and (report.failed or not failed)
        ]
        if as_json:
            for report in wanted:
                context.out.json(report)
        else:
            (_print_list if received else _print_each)(context.out, wanted)
        if not wanted or (files and len(found) < len(files)):
            raise click.exceptions.Exit(FAILED)


_command(
    "dmarc",
    "Show DMARC aggregate reports (RFC 9990). FILE is XML, gzip, zip, or the message it came "
    "in. Exits with 1 if there is none, or one that cannot be read.",
)
_command(
    "tls",
    "Show TLS reports (RFC 8460). FILE is JSON, gzip, or the message it came in. Exits with 1 "
    "if there is none, or one that cannot be read.",
)


def _received(context: Context, kind: str) -> list[ReceivedReport]:
    with context.errors(), reach(context.load()) as access:
        rows = access.run(p.ListNotes(kind=RECEIVED, prefix=f"{kind}/"))
        return newest_first(bytes(row.value) for row in rows if isinstance(row, p.NoteRow))


def _in_files(out: Out, kind: str, files: Iterable[Path]) -> list[ReceivedReport]:
    reports: list[ReceivedReport] = []
    for path in files:
        found = _read(path)
        fitting = [report for report in found.reports if report.kind == kind]
        if not fitting:
            others = ", ".join(report.kind.upper() for report in found.reports)
            other = f"it is a report of another kind: {others}" if others else ""
            reason = found.refusal or other or "there is no report in it"
            out.error(f"{path}: {reason}")
        reports += fitting
    return reports


def _read(path: Path) -> Found:
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST + 1)
    except OSError as error:
        return Found(refusal=error.strerror or str(error))
    if len(octets) > _LARGEST:
        return Found(refusal=f"it is larger than {_LARGEST} octets")
    return read_file(octets)


def _print_list(out: Out, found: list[ReceivedReport]) -> None:
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


def _print_each(out: Out, found: list[ReceivedReport]) -> None:
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
