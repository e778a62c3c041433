"""``pillarbox auth``: password file entries, and failed logins."""

from __future__ import annotations

import sys
from typing import Final

import click
from rich.text import Text

from pillarbox.access.hashes import PasswordHasher
from pillarbox.cli.access import reach_running
from pillarbox.cli.auth.bans import bans, unban
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import plural, safe, show_age
from pillarbox.clock import SystemClock
from pillarbox.control import protocol as p
from pillarbox.events.text import show_time

__all__ = ["auth"]

_DAY: Final = 86_400.0
_MOST_CAUSES: Final = 4


@click.group()
def auth() -> None:
    """Show failed logins, their reasons, and bans; make entries for the password file."""


auth.add_command(bans)
auth.add_command(unban)


@auth.command("hash", short_help="Print the password file entry for USER.")
@click.argument("user")
@pass_context
def hash_password(context: Context, user: str) -> None:
    """Print the password file entry for USER; prompts for the password, or reads standard input.

    \b
    Examples:
      pillarbox auth hash ann@example.org >> /etc/pillarbox/users
      pass show mail/ann | pillarbox auth hash ann@example.org
    """  # noqa: D301 - click's mark: do not wrap
    if not user or ":" in user or not user.isprintable():
        raise click.UsageError("a user name is printable text without a colon")
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("the password is empty")
    context.out.raw(f"{user}:{PasswordHasher.hash(password)}\n")


@auth.command(short_help="Show which programs fail to log in, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@pass_context
def failures(context: Context, as_json: bool) -> None:  # noqa: FBT001 - click
    """Show which programs fail to log in, since when, and why; active ones first.

    A program is what says the same name in EHLO from the same address and tries the same
    mechanisms in the same order. The exit status is 1 if one has not come in since.
    """
    with context.errors(), reach_running(context.load()) as access:
        rows = [row for row in access.run(p.ListFailures()) if isinstance(row, p.FailureRow)]
    rows.sort(key=lambda row: row.recovered_at is not None)
    if as_json:
        for row in rows:
            context.out.json(row)
    elif not rows:
        context.out.say("Nobody has failed to log in since the node was started.")
    else:
        now = SystemClock().now()
        for row in rows:
            _show_failures(context, row, now)
    if any(row.recovered_at is None for row in rows):
        raise click.exceptions.Exit(FAILED)


def _show_failures(context: Context, row: p.FailureRow, now: float) -> None:
    out = context.out
    name = safe(row.helo) or safe(row.client)
    head = Text.assemble((name, "strong"), f" has failed {plural(row.count, 'time')}")
    head.append(f" since {_moment(row.first_at, now)}{_after_change(row)}")
    if row.recovered_at is not None:
        head.append(f"; it came in again at {_moment(row.recovered_at, now)}", "good")
    out.line(head)
    out.line(Text.assemble(("   why   ", "quiet"), safe(row.reason)))
    if len(row.causes) > 1:
        counts = list(row.causes.items())[:_MOST_CAUSES]
        shown = ", ".join(f"{cause.replace('_', ' ')} {count:,}" for cause, count in counts)
        out.line(Text.assemble(("   all   ", "quiet"), shown))
    users = ", ".join(safe(user) for user in row.users if user) or "nobody yet"
    mechanisms = ", ".join(map(safe, row.mechanisms))
    facts = f"{users} from {safe(row.client)} by {mechanisms} at {safe(row.listener)}"
    out.line(Text.assemble(("   who   ", "quiet"), facts))
    out.line(Text.assemble(("   last  ", "quiet"), f"{show_age(now - row.last_at)} ago"))


def _after_change(row: p.FailureRow) -> str:
    """Return how soon after a rotation or a revocation it began, where that may be why."""
    if row.changed_at is None or not 0.0 <= row.first_at - row.changed_at <= _DAY:
        return ""
    what = f"`{safe(row.credential)}`" if row.credential else "what it logs in by"
    verb = "revoked" if row.cause == "revoked" else "rotated"
    if row.cause == "expired":
        verb = "over"
    return f", {show_age(row.first_at - row.changed_at)} after {what} was {verb}"


def _moment(at: float, now: float) -> str:
    """Return a time of day, with its date where that is not today (UTC)."""
    shown = show_time(at)
    return shown[11:16] if shown[:10] == show_time(now)[:10] else shown[:16].replace("T", " ")
