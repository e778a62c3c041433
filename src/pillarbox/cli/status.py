"""``pillarbox status``, ``pause``, ``resume``, ``reload`` and ``stop``."""

from __future__ import annotations

import time

import click
from rich.text import Text

from pillarbox.cli.access import NotRunning, reach, reach_running
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import show_age, show_size
from pillarbox.clock import SystemClock
from pillarbox.control import protocol as p

__all__ = ["pause", "reload", "resume", "status", "stop"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def status(context: Context, as_json: bool) -> None:  # noqa: FBT001 - click
    """Show the state of the node; exit 1 if it is not running, or something needs attention."""
    with context.errors(), reach(context.load()) as access:
        rows = [row for row in access.run(p.ShowStatus()) if isinstance(row, p.StatusRow)]
    for row in rows:
        if as_json:
            context.out.json(row)
        else:
            _show(context, row)
        if not row.is_running or row.problems:
            raise click.exceptions.Exit(FAILED)


def _show(context: Context, row: p.StatusRow) -> None:
    now = SystemClock().now()
    if row.is_running:
        state = Text.assemble(("paused", "doubt") if row.is_paused else ("running", "good"))
        state.append(f" for {show_age(now - row.started_at)}, process {row.pid}")
    else:
        state = Text("not running", style="bad")
    queue = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(row.queue.items()) if count
    )
    oldest = row.oldest_accepted_at
    lines: list[tuple[str, str | Text]] = [
        ("node", f"{row.node}, pillarbox {row.version}"),
        ("state", state),
        ("queue", queue or "empty"),
    ]
    if oldest is not None:
        lines.append(("oldest", f"{show_age(now - oldest)} old"))
    if row.is_running:
        lines.append(("since start", f"{row.accepted:,} accepted, {row.delivered:,} delivered"))
        lines.append(("now", f"{row.connections:,} connections, {row.in_flight:,} in flight"))
        lines.append(("listeners", ", ".join(row.listeners) or "none"))
    free = "" if row.free_octets is None else f", {show_size(row.free_octets)} free"
    lines.append(("store", f"{row.store}{free}"))
    for label, text in lines:
        context.out.line(Text.assemble((f"{label:>11}  ", "quiet"), text))
    for wait in row.waits:
        context.out.line(Text.assemble((f"{'waits for':>11}  ", "quiet"), wait))
    for problem in row.problems:
        context.out.line(Text.assemble((f"{'look at':>11}  ", "doubt"), problem))


@click.command()
@pass_context
def pause(context: Context) -> None:
    """Stop delivering; mail is still accepted."""
    _ask(context, p.Pause(), "Deliveries are paused; `pillarbox resume` starts them again.")


@click.command()
@pass_context
def resume(context: Context) -> None:
    """Deliver again after a pause."""
    _ask(context, p.Resume(), "Deliveries go on.")


@click.command()
@pass_context
def reload(context: Context) -> None:
    """Reload configuration and certificates, as SIGHUP does."""
    text = _ask(context, p.Reload(), "")
    changed = text.split(", ") if text else []
    if len(changed) > 1:
        context.out.say("\n  ".join(("Changed:", *changed)))
    else:
        context.out.say(f"Changed: {text}." if text else "Nothing has changed.")


@click.command()
@click.option(
    "--wait", type=float, default=60.0, show_default=True, help="Seconds to wait; 0: do not wait."
)
@pass_context
def stop(context: Context, wait: float) -> None:
    """Stop the node gracefully, as SIGTERM does, and wait for it."""
    _ask(context, p.Stop(), "")
    deadline = time.monotonic() + wait
    while wait and time.monotonic() < deadline:
        with context.errors():
            loaded = context.load()
        try:
            with reach_running(loaded):
                pass
        except NotRunning:
            context.out.say("Stopped.")
            return
        time.sleep(0.1)
    if wait:
        context.out.error(f"it has not stopped after {wait:g} s")
        raise click.exceptions.Exit(FAILED)


def _ask(context: Context, request: p.Request, answer: str) -> str:
    text = ""
    with context.errors(), reach_running(context.load()) as access:
        for row in access.run(request):
            if isinstance(row, p.Done):
                text = row.text
    if answer:
        context.out.say(answer)
    return text
