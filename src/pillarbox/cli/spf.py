"""``pillarbox spf explain``: an SPF record's cost, its faults, and its verdict on a host."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.context import FAILED, TEMPORARY, Context, pass_context
from pillarbox.cli.dns import dns_options, open_resolver
from pillarbox.cli.output import Out, finding_object, safe
from pillarbox.clock import SystemClock
from pillarbox.errors import PermanentError
from pillarbox.findings import Level
from pillarbox.mailauth import spf as library
from pillarbox.mailauth.evidence import PublishedResolver
from pillarbox.mailauth.resolver import Resolver
from pillarbox.mailauth.spf import Node, Result, Spf, Step, Survey, Tried
from pillarbox.smtp.address import Mailbox, ascii_domain
from pillarbox.smtp.domain import is_domain
from pillarbox.smtp.path import parse_mailbox

__all__ = ["spf"]

_STYLES: Final = {
    Result.PASS: "good",
    Result.FAIL: "bad",
    Result.PERMERROR: "bad",
    Result.TEMPERROR: "bad",
    Result.SOFTFAIL: "doubt",
}
_TRIED: Final = {Tried.MATCH: "good", Tried.ERROR: "bad"}
_STAND_IN: Final = "spf.invalid"  # is checked where a record was given without a domain


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What the command line asks."""

    domain: str
    record: bytes | None
    ip: str | None
    sender: Mailbox
    helo: str


@click.group()
def spf() -> None:
    """Explain an SPF record as receivers evaluate it."""


@spf.command(short_help="Say what an SPF record costs, and what is wrong with it.")
@click.argument("domain", metavar="DOMAIN|RECORD")
@click.option(
    "--ip", metavar="ADDRESS", help="Evaluate the record for this host, and show each step."
)
@click.option("--from", "sender", metavar="PATH", help="The reverse-path of the check.")
@click.option("--helo", metavar="NAME", help="Name of the host in EHLO.")
@dns_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def explain(
    context: Context,
    domain: str,
    ip: str | None,
    sender: str | None,
    helo: str | None,
    zone: Path | None,
    servers: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Say what the SPF record of DOMAIN costs, what is wrong with it, and what to publish.

    With RECORD, such as "v=spf1 mx -all", say it of a record that is not published yet. With
    --ip, say what the record makes of a host, step by step.

    Exits with 1 if there is something to warn of, or if the host does not pass; with 75 if DNS
    did not answer.
    """
    question = _question(domain, ip, sender, helo)
    with context.errors():
        surveyed, checked = asyncio.run(_ask(question, open_resolver(zone, servers)))
    if as_json:
        context.out.json(_object(surveyed, checked))
    else:
        _print(context.out, surveyed, checked)
    if surveyed.root.is_temporary:
        raise click.exceptions.Exit(TEMPORARY)
    is_warned = any(finding.level >= Level.WARNING for finding in surveyed.findings)
    if is_warned or (checked is not None and checked.result is not Result.PASS):
        raise click.exceptions.Exit(FAILED)


def _question(text: str, ip: str | None, sender: str | None, helo: str | None) -> _Question:
    """Return what is asked.

    Raises:
        click.UsageError: It is not what it should be.
    """
    if ip is None and (sender is not None or helo is not None):
        raise click.UsageError("--from and --helo say nothing without --ip.")
    try:
        mailbox = parse_mailbox(sender.removeprefix("<").removesuffix(">")) if sender else None
    except PermanentError as error:
        raise click.BadParameter(str(error), param_hint="--from") from None
    record = None
    if text.lower().startswith("v=spf1"):
        record = text.encode("utf-8", "surrogateescape")
        domain = mailbox.ascii_domain if mailbox is not None else ""
    elif is_domain(ascii_domain(text.rstrip("."))):
        domain = ascii_domain(text.rstrip("."))
    else:
        raise click.BadParameter(
            f"{text!a} is neither a domain name nor a record", param_hint="DOMAIN|RECORD"
        )
    try:
        ip = str(ip_address(ip)) if ip is not None else None
    except ValueError:
        raise click.BadParameter(f"{ip!a} is no IP address", param_hint="--ip") from None
    return _Question(
        domain=domain,
        record=record,
        ip=ip,
        sender=mailbox or Mailbox("postmaster", domain or _STAND_IN),
        helo=helo or domain or _STAND_IN,
    )


async def _ask(question: _Question, resolver: Resolver) -> tuple[Survey, Spf | None]:
    record = question.record
    surveyed = await library.survey(question.domain, resolver, record=record)
    if question.ip is None:
        return surveyed, None
    domain = question.domain or _STAND_IN
    if record is not None:
        loop = asyncio.get_running_loop()
        resolver = PublishedResolver(resolver, loop.time, {domain: record})
    checked = await library.check_host(
        question.ip,
        domain,
        f"{question.sender.local_part}@{question.sender.domain}",
        resolver,
        helo=question.helo,
        now=SystemClock().now(),
    )
    return surveyed, checked


def _print(out: Out, surveyed: Survey, checked: Spf | None) -> None:
    out.line(Text.assemble(("SPF of ", "quiet"), (_named(surveyed.domain), "strong")))
    out.line()
    if surveyed.root.record:
        columns = (
            Column("  asks", justify="right", no_wrap=True),
            Column("term", no_wrap=True),
            Column("what it comes to", overflow="fold"),
        )
        out.table(columns, _rows(surveyed.root))
        out.line()
        out.line(_totals(surveyed))
    owner = f"{safe(surveyed.domain)}. TXT " if surveyed.domain else ""
    publish = f'{owner}"{safe(surveyed.publish)}"'
    if surveyed.publish == surveyed.root.record:
        out.line(Text.assemble(("  publish  ", "quiet"), "the record as it is"))
    else:
        out.line(Text.assemble(("  publish  ", "quiet"), (publish, "strong")))
    if checked is not None:
        _print_check(out, checked)
    if surveyed.findings:
        out.line()
        out.findings(surveyed.findings)


def _rows(root: Node) -> Iterator[tuple[Text, Text, Text]]:
    yield _cost(root), Text("v=spf1", style="strong"), _outcome(root)
    yield from _branches(root, "")


def _branches(node: Node, indent: str) -> Iterator[tuple[Text, Text, Text]]:
    for number, child in enumerate(node.children, 1):
        is_last = number == len(node.children)
        style = "quiet" if child.is_dead else "bad" if child.problem else ""
        term = Text.assemble(
            (indent + ("└ " if is_last else "├ "), "quiet"), (safe(child.term), style)
        )
        yield _cost(child), term, _outcome(child)
        yield from _branches(child, indent + ("  " if is_last else "│ "))


def _cost(node: Node) -> Text:
    return Text(f"  {node.cost}" if node.cost else "", style="" if node.voids == 0 else "doubt")


def _outcome(node: Node) -> Text:
    if node.problem:
        return Text(safe(node.problem), style="bad")
    if node.voids and not node.children:
        return Text(safe(f"void: {node.note}"), style="doubt")
    return Text(safe(node.note or node.record), style="quiet")


def _totals(surveyed: Survey) -> Text:
    limits = surveyed.limits
    counts = (
        ("DNS look-ups", surveyed.lookups, limits.terms),
        ("void", surveyed.voids, limits.voids),
    )
    text = Text("  ")
    for label, count, most in counts:
        text.append(f"{label} ", style="quiet")
        text.append(f"{count} of {most}", style="bad" if count > most else "strong")
        text.append("   ")
    text.append(f"{len(surveyed.root.record)} octets", style="quiet")
    return text


def _print_check(out: Out, checked: Spf) -> None:
    out.line()
    head = Text.assemble((f"  {checked.ip} as {safe(checked.sender)}: ", "quiet"))
    head.append(checked.result.value, style=_STYLES.get(checked.result, "strong"))
    out.line(head)
    out.line(f"  {safe(checked.reason)}")
    if checked.explanation:
        out.line(Text.assemble(("  the domain says: ", "quiet"), safe(checked.explanation)))
    out.line()
    columns = (
        Column("  asked", justify="right", no_wrap=True),
        Column("step", no_wrap=True),
        Column("", no_wrap=True),
        Column("what was seen", overflow="fold", style="quiet"),
    )
    out.table(columns, map(_step_row, checked.steps))


def _step_row(step: Step) -> tuple[Text, Text, Text, Text]:
    term = step.term or f"record of {step.domain}"
    seen = step.note
    if step.target and step.term and step.target not in step.term:
        seen = f"{step.target}: {seen}" if seen else step.target
    return (
        Text(f"  {step.lookups}", style="quiet"),
        Text("  " * step.depth + safe(term)),
        Text(step.tried.value, style=_TRIED.get(step.tried, "quiet")),
        Text(safe(seen)),
    )


def _named(domain: str) -> str:
    return safe(domain) or "a record"


def _object(surveyed: Survey, checked: Spf | None) -> dict[str, Any]:
    return {
        "domain": surveyed.domain,
        "record": surveyed.root.record,
        "lookups": surveyed.lookups,
        "max_lookups": surveyed.limits.terms,
        "voids": surveyed.voids,
        "max_voids": surveyed.limits.voids,
        "tree": _node_object(surveyed.root),
        "publish": surveyed.publish,
        "check": _check_object(checked) if checked is not None else None,
        "findings": [finding_object(finding) for finding in surveyed.findings],
    }


def _node_object(node: Node) -> dict[str, Any]:
    return {
        "term": node.term,
        "target": node.target,
        "record": node.record,
        "lookups": node.cost,
        "voids": node.voids,
        "note": node.note,
        "problem": node.problem,
        "never_reached": node.is_dead,
        "addresses": list(node.addresses),
        "terms": [_node_object(child) for child in node.children],
    }


def _check_object(checked: Spf) -> dict[str, Any]:
    return {
        "ip": checked.ip,
        "sender": checked.sender,
        "helo": checked.helo,
        "result": checked.result.value,
        "reason": checked.reason,
        "mechanism": checked.mechanism,
        "problem": checked.problem,
        "explanation": checked.explanation,
        "lookups": checked.lookups,
        "voids": checked.voids,
        "steps": [
            {
                "depth": step.depth,
                "domain": step.domain,
                "term": step.term,
                "target": step.target,
                "outcome": step.tried.value,
                "note": step.note,
                "lookups": step.lookups,
                "voids": step.voids,
            }
            for step in checked.steps
        ],
    }
