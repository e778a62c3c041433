"""``pillarbox dmarc``: explains a domain's DMARC policy, or a received report."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.dmarc.report import print_report, report_object
from pillarbox.cli.dns import dns_options, open_resolver
from pillarbox.cli.output import Out, finding_object, safe
from pillarbox.findings import Level
from pillarbox.mailauth.dmarc import Explanation, Mode, explain as explain_domain
from pillarbox.mailauth.dmarc.tree_walk import Step
from pillarbox.mailauth.dmarc_report import ReadReport, read_report, read_report_message
from pillarbox.mailauth.resolver import Outcome
from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.domain import is_domain

__all__ = ["dmarc"]

_LARGEST_REPORT: Final = 32 * 1024 * 1024  # octets, of a message in base64
_LINE_END: Final = re.compile(rb"\r?\n")


@click.group()
def dmarc() -> None:
    """Explain a DMARC policy, or read a report."""


@dmarc.command(short_help="Explain a domain's policy, and what to publish next.")
@click.argument("domain")
@dns_options
@click.option("--psl", is_flag=True, help="Use the public suffix list, as before RFC 9989.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def explain(
    context: Context,
    domain: str,
    zone: Path | None,
    servers: tuple[str, ...],
    psl: bool,  # noqa: FBT001 - click
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Explain the policy for mail from DOMAIN, and what to publish next.

    Exits with 1 if there is something to warn of.
    """
    if not is_domain(ascii_domain(domain.rstrip("."))):
        raise click.BadParameter(f"{domain!a} is no domain name", param_hint="DOMAIN")
    with context.errors():
        resolver = open_resolver(zone, servers)
        mode = Mode.SUFFIX_LIST if psl else Mode.TREE_WALK
        told = asyncio.run(explain_domain(domain, resolver, mode=mode))
    if as_json:
        context.out.json(_object(told))
    else:
        _print(context.out, told)
    if any(finding.level >= Level.WARNING for finding in told.findings):
        raise click.exceptions.Exit(FAILED)


@dmarc.command(short_help="Show the aggregate report in FILE.")
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per report.")
@pass_context
def report(context: Context, file: BinaryIO, as_json: bool) -> None:  # noqa: FBT001 - click
    """Show the aggregate report in FILE: XML, gzip, zip, or the message it came in.

    Exits with 1 if there is none, or if it is not as it should be.
    """
    octets = file.read(_LARGEST_REPORT + 1)
    read: tuple[ReadReport, ...] = (read_report(octets),)
    if read[0].report is None:
        read = read_report_message(_LINE_END.sub(b"\r\n", octets)) or read
    for one in read:
        if one.report is not None and as_json:
            context.out.json(report_object(one.report))
        elif one.report is not None:
            print_report(context.out, one.report)
    findings = [one.finding() for one in read]
    doubts = [finding for finding in findings if finding.level >= Level.WARNING]
    if doubts:
        context.out.findings(doubts, as_talk=True)
        raise click.exceptions.Exit(FAILED)


def _print(out: Out, told: Explanation) -> None:
    found = told.discovery
    way = "the tree walk" if found.mode is Mode.TREE_WALK else "the public suffix list"
    out.line(Text.assemble(("DMARC for mail from ", "quiet"), (safe(found.domain), "strong")))
    out.line()
    out.table(
        (Column(f"  asked, by {way}", no_wrap=True), Column("found", overflow="fold")),
        ((f"  {safe(step.name)}", _found(step)) for step in found.walk.steps),
    )
    out.line()
    for label, text in _facts(told):
        out.line(Text.assemble((f"  {label:12}  ", "quiet"), text))
    out.line()
    out.table(
        (
            Column("  the road to reject", no_wrap=True),
            Column("record", overflow="fold"),
            Column("", overflow="fold", style="quiet"),
        ),
        (
            (f"{'x' if stage.is_reached else ' '} {stage.title}", safe(stage.record), stage.advice)
            for stage in told.road
        ),
    )
    if told.findings:
        out.line()
        out.findings(told.findings)


def _facts(told: Explanation) -> Iterator[tuple[str, str | tuple[str, str]]]:
    yield "organization", safe(told.discovery.organizational_domain)
    yield "policy", (safe(told.policy), _style(told))
    for number, text in enumerate(told.alignment):
        yield "or" if number else "to pass", safe(text)
    for one in told.destinations:
        yield "reports to", f"{safe(one.address.uri)}  ({safe(one.reason)})"
    yield "publish", (f'{safe(told.publish_at)}. TXT "{safe(told.publish)}"', "strong")


def _found(step: Step) -> Text:
    if step.record is not None:
        return Text(safe(step.note))
    return Text(safe(step.note), style="bad" if step.outcome is Outcome.UNAVAILABLE else "quiet")


def _style(told: Explanation) -> str:
    if told.discovery.failed:
        return "bad"
    return "good" if told.discovery.disposition.strictness else "doubt"


def _object(told: Explanation) -> dict[str, Any]:
    found = told.discovery
    return {
        "domain": found.domain,
        "method": found.mode.value,
        "organizational_domain": found.organizational_domain,
        "record_domain": found.record_domain,
        "record": found.record.text if found.record is not None else "",
        "policy": found.policy.value,
        "policy_tag": found.policy_tag,
        "disposition": found.disposition.value,
        "in_force": told.policy,
        "failed": found.failed,
        "exists": found.exists,
        "walk": [
            {
                "name": step.name,
                "outcome": step.outcome.value,
                "records": list(step.texts),
                "note": step.note,
            }
            for step in found.walk.steps
        ],
        "alignment": list(told.alignment),
        "report_destinations": [
            {"uri": one.address.uri, "allowed": one.is_allowed, "reason": one.reason}
            for one in told.destinations
        ],
        "publish": {"name": told.publish_at, "text": told.publish},
        "road": [
            {"title": stage.title, "record": stage.record, "reached": stage.is_reached}
            for stage in told.road
        ],
        "findings": [finding_object(finding) for finding in told.findings],
    }
