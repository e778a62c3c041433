"""``pillarbox dkim explain``: what a key record says, or how a message's signatures verify."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path
from typing import Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import Out, finding_object, safe
from pillarbox.clock import SystemClock
from pillarbox.dns.zone import ZoneResolver
from pillarbox.keyring.publication import zone_strings
from pillarbox.mailauth.dkim import Result, SignatureResult, verify
from pillarbox.mailauth.dkim.explanation import Explanation, explain_answer
from pillarbox.mailauth.resolver import Resolver
from pillarbox.node.adapters import make_resolver

__all__ = ["explain"]

_LABEL: Final = "._domainkey."
_SHOWN: Final = 60  # characters of a value in a table
_STYLES: Final = {Result.PASS: "good", Result.FAIL: "bad", Result.TEMPORARY_ERROR: "doubt"}
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


@click.command()
@click.argument("name", default="", metavar="[SELECTOR._domainkey.DOMAIN]")
@click.option(
    "--message",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    help="Verify the signatures of this message instead; - is standard input.",
)
@click.option(
    "--zone",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Resolve names from this zone file only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def explain(
    context: Context,
    name: str,
    file: Path | None,
    zone: Path | None,
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Explain a key record and its faults, or why a signature fails."""
    if bool(name) == (file is not None):
        raise click.UsageError("give either a name or --message")
    if name and _LABEL not in name:
        raise click.UsageError(f"{name!r} is not SELECTOR._domainkey.DOMAIN")
    with context.errors():
        if file is None:
            fine = _explain_key(context, name, zone, as_json=as_json)
        else:
            fine = _explain_message(context, file, zone, as_json=as_json)
    if not fine:
        raise click.exceptions.Exit(FAILED)


def _explain_key(context: Context, name: str, zone: Path | None, *, as_json: bool) -> bool:
    async def ask() -> Explanation:
        return explain_answer(await _resolver(context, zone).txt(name))

    explanation = asyncio.run(ask())
    if as_json:
        context.out.json(
            {
                "name": explanation.name,
                "record": explanation.record,
                "tags": [dataclasses.asdict(tag) for tag in explanation.tags],
                "findings": [finding_object(finding) for finding in explanation.findings],
                "suggested": explanation.suggested,
            }
        )
        return explanation.is_fine
    out = context.out
    out.line(Text.assemble((safe(explanation.name), "strong")))
    if explanation.tags:
        columns = (Column("  tag"), Column("value", overflow="fold"), Column("meaning"))
        out.table(
            columns,
            (
                (f"  {safe(tag.name)}", _short(tag.value), Text(safe(tag.meaning), style="quiet"))
                for tag in explanation.tags
            ),
        )
    out.findings(explanation.findings)
    if not explanation.findings:
        out.say("Receivers can use it; there is nothing to remark.")
    if explanation.suggested:
        out.line("to publish:")
        out.line(f"{safe(name)}. 3600 IN TXT {safe(zone_strings(explanation.suggested))}")
    return explanation.is_fine


def _explain_message(context: Context, file: Path, zone: Path | None, *, as_json: bool) -> bool:
    with click.open_file(str(file), "rb") as stream:
        content: bytes = stream.read()
    # On disk, lines mostly end with LF; what was signed had CRLF.
    content = _BARE_LF.sub(b"\r\n", content)

    async def ask() -> tuple[SignatureResult, ...]:
        return await verify(content, _resolver(context, zone), now=SystemClock().now())

    results = asyncio.run(ask())
    if as_json:
        for result in results:
            context.out.json({**dataclasses.asdict(result), "result": result.result.value})
    elif not results:
        context.out.say("The message has no DKIM signature.")
    else:
        for result in results:
            _show_result(context.out, result)
    return any(result.is_pass for result in results)


def _show_result(out: Out, result: SignatureResult) -> None:
    style = _STYLES.get(result.result, "doubt")
    who = f"d={result.domain} s={result.selector} a={result.algorithm}" if result.domain else ""
    out.line(Text.assemble((result.result.value, style), "  ", (safe(who), "strong")))
    rows = [("reason", result.reason), ("signed", " ".join(result.names))]
    rows += [("evidence", each) for each in result.evidence]
    if result.is_testing:
        rows.append(("note", "the key says t=y: a failure must not count"))
    for label, text in rows:
        if text:
            out.line(Text.assemble((f"  {label:8}  ", "quiet"), safe(text)))


def _resolver(context: Context, zone: Path | None) -> Resolver:
    if zone is not None:
        return ZoneResolver.from_file(zone)
    return make_resolver(context.load().settings, SystemClock())


def _short(value: str) -> str:
    shown = safe(" ".join(value.split()))
    return (
        shown if len(shown) <= _SHOWN else f"{shown[:24]}...{shown[-16:]} ({len(shown)} characters)"
    )
