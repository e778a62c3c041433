"""``pillarbox auth bans`` and ``unban``: clients banned after too many failed logins."""

from __future__ import annotations

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.access import reach_running
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import plural, safe, show_age
from pillarbox.clock import SystemClock
from pillarbox.control import protocol as p
from pillarbox.findings import Finding, Level

__all__ = ["bans", "unban"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@pass_context
def bans(context: Context, as_json: bool) -> None:  # noqa: FBT001 - click
    """List clients banned for failed logins, latest first.

    A client is an IPv4 address or an IPv6 /64. The exit status is 1 if somebody was seen
    to try passwords on many accounts from many addresses.
    """
    with context.errors(), reach_running(context.load()) as access:
        rows = list(access.run(p.ListBans()))
    sprays = [row for row in rows if isinstance(row, p.SprayRow)]
    banned = [row for row in rows if isinstance(row, p.BanRow)]
    if as_json:
        for row in (*sprays, *banned):
            context.out.json(row)
    else:
        now = SystemClock().now()
        context.out.findings([_finding(spray, now) for spray in sprays])
        _show(context, banned, now)
    if sprays:
        raise click.exceptions.Exit(FAILED)


@click.command()
@click.argument("client")
@pass_context
def unban(context: Context, client: str) -> None:
    """Lift the ban of CLIENT: an address, an IPv6 /64, or "all".

    All nodes that share the store do. The exit status is 1 if there was no ban.

    \b
    Examples:
      pillarbox auth unban 192.0.2.7
      pillarbox auth unban 2001:db8:7::/64
    """  # noqa: D301 - click's mark: do not wrap
    with context.errors(), reach_running(context.load()) as access:
        (done,) = access.run(p.LiftBan(client=client))
    count = done.count if isinstance(done, p.Done) else 0
    if not count:
        context.out.say(f"{safe(client)} is not banned." if client != "all" else "Nobody is.")
        raise click.exceptions.Exit(FAILED)
    context.out.say(f"Lifted {plural(count, 'ban')}.", "good")


def _show(context: Context, rows: list[p.BanRow], now: float) -> None:
    if not rows:
        context.out.say("Nobody is banned.")
        return
    columns = ("CLIENT", "SINCE", "FOR", "FAILURES", "BANNED")
    context.out.table(
        [Column(name, justify="right" if name == "FAILURES" else "left") for name in columns],
        (
            (
                Text(safe(row.client), "strong"),
                f"{show_age(now - row.since)} ago",
                f"{show_age(max(row.until - now, 0.0))} more",
                f"{row.failures:,}",
                plural(row.times, "time"),
            )
            for row in rows
        ),
    )


def _finding(spray: p.SprayRow, now: float) -> Finding:
    return Finding(
        level=Level.WARNING,
        code="PB-AUTH-001",
        what=f"Somebody tried passwords on {spray.accounts:,} accounts from {spray.clients:,} "
        f"clients, {show_age(now - spray.since)} ago.",
        why="Each address and each account has few failures, so none is banned for it.",
        fix="Look at `pillarbox auth failures`; prefer API keys, which nobody guesses, to "
        "passwords, and restrict listeners to the networks of your users.",
        evidence=(f"{spray.failures:,} failures within ten minutes",),
    )
