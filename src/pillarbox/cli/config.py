"""``pillarbox config``: check, show, and document the configuration."""

from __future__ import annotations

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import finding_object
from pillarbox.config.check import check as check_settings
from pillarbox.config.error import ConfigError
from pillarbox.config.reference import reference as print_reference
from pillarbox.config.show import effective
from pillarbox.findings import Finding, Level

__all__ = ["config"]


@click.group()
def config() -> None:
    """Check, show and document the configuration."""


@config.command(short_help="Find mistakes and risks in the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per finding.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@pass_context
def check(context: Context, as_json: bool, strict: bool) -> None:  # noqa: FBT001 - click
    """Find mistakes and risks in the configuration; exit 1 on an error."""
    findings: tuple[Finding, ...]
    where = "the defaults"
    try:
        loaded = context.load()
        findings = check_settings(loaded)
        where = str(loaded.path or where)
    except ConfigError as error:
        findings = error.findings
    if as_json:
        for finding in findings:
            context.out.json(finding_object(finding))
    else:
        context.out.findings(findings)
        context.out.say(_verdict(findings, where))
    worst = max((finding.level for finding in findings), default=Level.OK)
    if worst >= (Level.WARNING if strict else Level.ERROR):
        raise click.exceptions.Exit(FAILED)


def _verdict(findings: tuple[Finding, ...], where: str) -> str:
    errors = sum(finding.level is Level.ERROR for finding in findings)
    warnings = len(findings) - errors
    if not findings:
        return f"{where}: nothing to complain about"
    parts = [
        f"{count} {word}{'s' * (count != 1)}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return " and ".join(parts)


@config.command(short_help="Print the effective values and their sources.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per key.")
@click.option("--changed", is_flag=True, help="Only values that differ from their defaults.")
@click.argument("prefix", default="")
@pass_context
def show(context: Context, as_json: bool, changed: bool, prefix: str) -> None:  # noqa: FBT001 - click
    """Print the effective values and their sources; PREFIX, such as queue, selects some."""
    with context.errors():
        loaded = context.load()
    values = [
        item
        for item in effective(loaded)
        if item.key.startswith(prefix) and not (changed and item.is_default)
    ]
    if as_json:
        for item in values:
            context.out.json({"key": item.key, "value": item.value, "origin": item.origin})
        return
    columns = (Column("key"), Column("value", overflow="fold"), Column("from"))
    context.out.table(
        columns,
        (
            (
                Text(item.key, style="quiet" if item.is_default else ""),
                item.value,
                Text(item.origin, style="quiet" if item.is_default else "id"),
            )
            for item in values
        ),
    )


@config.command()
@pass_context
def reference(context: Context) -> None:
    """Print the reference of all keys as Markdown."""
    context.out.raw(print_reference())
