"""``pillarbox backup`` and ``restore``, and the store check of ``pillarbox verify``."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.access import control_socket, reach
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import finding_object, plural, show_size
from pillarbox.config.loader import Loaded
from pillarbox.control import protocol as p
from pillarbox.control.client import ControlClient, NodeNotRunning
from pillarbox.errors import PermanentError
from pillarbox.findings import Finding, Level
from pillarbox.store.sqlite import restore as restore_file

__all__ = ["backup", "restore", "verify_store"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_context
def backup(context: Context, file: Path) -> None:
    """Copy the store to FILE consistently, whether the node runs or not."""
    path = file.absolute()
    with context.errors(), reach(context.load()) as access:
        for _ in access.run(p.Backup(path=str(path))):
            pass
    size = f", {show_size(path.stat().st_size)}" if path.exists() else ""
    context.out.say(f"Wrote {file}{size}.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--hold", is_flag=True, help="Hold all queued mail, so that nothing is sent twice.")
@pass_context
def restore(context: Context, file: Path, hold: bool) -> None:  # noqa: FBT001 - click
    """Replace a stopped node's store with the copy in FILE.

    The store that was there is kept beside it. What was delivered after the copy was made
    is still queued in it and would be delivered again; --hold keeps it back, to be looked
    at with `queue list`, then released or canceled.
    """
    with context.errors():
        loaded = context.load()
        _must_be_stopped(loaded)
        path = _put_back(loaded, file)
        held = _hold(loaded) if hold else 0
    context.out.say(f"Restored {path}.")
    if hold:
        context.out.say(
            f"{plural(held, 'recipient')} held; see `pillarbox queue list --state held`."
        )


def _must_be_stopped(loaded: Loaded) -> None:
    try:
        ControlClient(control_socket(loaded.settings)).__exit__()
    except NodeNotRunning:
        return
    raise PermanentError("the node runs; stop it first (`pillarbox stop`)")


def _put_back(loaded: Loaded, file: Path) -> Path:
    directory, url = loaded.settings.node.directory, loaded.settings.store.url
    if not url.startswith("sqlite:"):
        raise PermanentError("the store is not a file; restore its database with pg_restore")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / url.removeprefix("sqlite:")
    restore_file(file, path)
    return path


def _hold(loaded: Loaded) -> int:
    with reach(loaded) as access:
        rows = list(access.run(p.ChangeQueue(filter=p.Filter(), change="hold")))
    return sum(row.count for row in rows if isinstance(row, p.Done))


def verify_store(context: Context, *, as_json: bool) -> None:
    """Check the whole store: its structure, the checksums of bodies, the states.

    Raises:
        click.exceptions.Exit: Something was found.
    """
    with context.errors(), reach(context.load()) as access:
        findings = [
            Finding(
                level=Level(row.level),
                code=row.code,
                what=row.what,
                why=row.why,
                fix=row.fix,
                evidence=tuple(row.evidence),
            )
            for row in access.run(p.Verify())
            if isinstance(row, p.FindingRow)
        ]
    if as_json:
        for finding in findings:
            context.out.json(finding_object(finding))
    else:
        context.out.findings(findings)
    if any(finding.level >= Level.WARNING for finding in findings):
        raise click.exceptions.Exit(FAILED)
    context.out.say("The store is whole.")
