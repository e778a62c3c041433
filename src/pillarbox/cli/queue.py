"""``pillarbox queue``: shows what waits and why, and changes it."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.access import Access, reach
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.filters import filter_of, filter_options
from pillarbox.cli.message import message_lines
from pillarbox.cli.output import plural, safe, show_age, show_size, state_text
from pillarbox.clock import SystemClock
from pillarbox.control import protocol as p

__all__ = ["queue"]

_BUCKETS: Final = ("5m", "10m", "20m", "40m", "80m", "160m", "320m", "640m", "21h", "older")
_SAMPLE: Final = 5
_LIMIT: Final = 1000
_ADDRESS_WIDTH: Final = 40


class _InOrder(click.Group):
    """A group that lists its commands as they stand in this file: first see, then steer."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)


@click.group(cls=_InOrder)
def queue() -> None:
    """List, retry, hold, release or cancel queued mail."""


@queue.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@pass_context
def summary(context: Context, as_json: bool) -> None:  # noqa: FBT001 - click
    """Count the queued recipients by destination and age.

    A column counts recipients whose message is younger than its heading and not younger
    than the heading before it.
    """
    with context.errors(), reach(context.load()) as access:
        rows = [row for row in access.run(p.SummarizeQueue()) if isinstance(row, p.DestinationRow)]
    if as_json:
        for row in rows:
            context.out.json(row)
        return
    if not rows:
        context.out.say("The queue is empty.")
        return
    _show_summary(context, rows)


def _show_summary(context: Context, rows: list[p.DestinationRow]) -> None:
    now = SystemClock().now()
    merged: dict[str, list[p.DestinationRow]] = defaultdict(list)
    for row in rows:
        merged[row.destination].append(row)
    columns = [Column("destination", no_wrap=True), Column("total", justify="right")]
    columns += [Column(name, justify="right") for name in _BUCKETS]
    columns += [Column("oldest", justify="right", no_wrap=True), Column("of these", no_wrap=True)]
    body = [_summary_line("TOTAL", rows, now, style="strong")] if len(merged) > 1 else []
    body += [_summary_line(safe(name), group, now) for name, group in merged.items()]
    context.out.table(columns, body, gap=1)


def _summary_line(
    name: str, rows: list[p.DestinationRow], now: float, style: str = ""
) -> list[str | Text]:
    ages = [sum(counts) for counts in zip(*(row.ages for row in rows), strict=True)]
    states: dict[str, int] = defaultdict(int)
    for row in rows:
        states[row.state] += sum(row.ages)
    others = ", ".join(
        f"{count:,} {state.replace('_', ' ')}"
        for state, count in states.items()
        if state != "queued"
    )
    oldest = min(row.oldest_accepted_at for row in rows)
    return [
        Text(name, style=style),
        Text(f"{sum(ages):,}", style="strong"),
        *(f"{count:,}" if count else Text("·", style="quiet") for count in ages),
        show_age(now - oldest),
        Text(others, style="doubt"),
    ]


@queue.command("list", short_help="List messages.")
@filter_options
@click.option(
    "--limit", type=int, default=_LIMIT, show_default=True, help="Largest number of messages."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per message.")
@pass_context
def list_(context: Context, limit: int, as_json: bool, **options: Any) -> None:  # noqa: FBT001 - click
    """List messages with at least one matching recipient, oldest first."""
    request = p.ListQueue(filter=filter_of(options), limit=limit)
    with context.errors(), reach(context.load()) as access:
        messages = (row for row in access.run(request) if isinstance(row, p.MessageRow))
        if as_json:
            for message in messages:
                context.out.json(message)
            return
        _show_list(context, list(messages), limit, is_all=request.filter == p.Filter())


def _show_list(context: Context, messages: list[p.MessageRow], limit: int, *, is_all: bool) -> None:
    if not messages:
        context.out.say("The queue is empty." if is_all else "Nothing in the queue matches.")
        return
    now = SystemClock().now()
    addresses = [safe(each.address) for message in messages for each in message.recipients]
    width = min(max(map(len, addresses), default=0), _ADDRESS_WIDTH)
    for message in messages:
        for line in _list_lines(message, now, width):
            context.out.line(line)
    recipients = sum(len(message.recipients) for message in messages)
    context.out.say(f"{plural(len(messages), 'message')}, {plural(recipients, 'recipient')}")
    if len(messages) == limit:
        context.out.say(f"There may be more; --limit shows more than {limit:,}.")


def _list_lines(message: p.MessageRow, now: float, width: int) -> Iterator[Text]:
    """Yield a line for the message, and one below it for each recipient."""
    facts = f"{show_age(now - message.accepted_at):>12} {show_size(message.size):>9}  "
    yield Text.assemble((message.message, "id"), (facts, "quiet"), safe(message.sender) or "<>")
    for recipient in message.recipients:
        yield Text.assemble(
            "    ",
            state_text(f"{recipient.state:11}"),
            f"{safe(recipient.address):{width}}  ",
            (f"{_next(recipient.next_attempt_at, now):>9}  ", "quiet"),
            (safe(recipient.last_reply), "quiet"),
        )


def _next(at: float | None, now: float) -> str:
    if at is None:
        return ""
    return "now" if at <= now else f"in {show_age(at - now)}"


@queue.command(short_help="Show one message.")
@click.argument("message", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def show(context: Context, message: str, as_json: bool) -> None:  # noqa: FBT001 - click
    """Show one message with all its recipients; `pillarbox log ID` shows what happened to it."""
    with context.errors(), reach(context.load()) as access:
        for row in access.run(p.ShowMessage(message=message)):
            if isinstance(row, p.MessageRow):
                if as_json:
                    context.out.json(row)
                else:
                    message_lines(context.out, row)


def _change_command(change: str, doc: str, verb: str) -> None:
    more: Callable[[Callable[..., None]], Callable[..., None]] = _as_it_is
    if change in {"retry", "release"}:
        more = click.option("--route", metavar="NAME", help="Use this route instead.")

    @queue.command(change, help=doc)
    @filter_options
    @more
    @click.option("--all", "is_all", is_flag=True, help="Apply to everything that can be changed.")
    @click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
    @click.option(
        "--confirm",
        type=int,
        metavar="N",
        help="Do not ask for confirmation if N recipients match.",
    )
    @pass_context
    def command(
        context: Context,
        is_all: bool,  # noqa: FBT001 - click
        yes: bool,  # noqa: FBT001 - click
        confirm: int | None,
        route: str | None = None,
        **options: Any,
    ) -> None:
        chosen = filter_of(options)
        if chosen == p.Filter() and not is_all:
            raise click.UsageError("say which: message ids, filters, or --all")
        with context.errors(), reach(context.load()) as access:
            if chosen.messages is None and not yes:
                _ask_first(context, access, chosen, change, confirm)
            rows = list(access.run(p.ChangeQueue(filter=chosen, change=change, route=route)))
        count = sum(row.count for row in rows if isinstance(row, p.Done))
        context.out.say(f"{plural(count, 'recipient')} {verb}.")
        for row in rows:
            if isinstance(row, p.Done) and row.text:
                context.out.say(f"But {row.text}.")
        if not count:
            raise click.exceptions.Exit(FAILED)


def _as_it_is(command: Callable[..., None]) -> Callable[..., None]:
    return command


def _ask_first(
    context: Context, access: Access, chosen: p.Filter, change: str, confirm: int | None
) -> None:
    """Show what a filter reaches, and go on only with somebody's consent."""
    rows = access.run(p.CountQueue(filter=chosen, change=change))
    count = sum(row.count for row in rows if isinstance(row, p.Done))
    if confirm is not None:
        if count == confirm:
            return
        context.out.error(
            f"{plural(count, 'recipient')} match, not {confirm:,}; nothing was changed"
        )
        raise click.exceptions.Exit(FAILED)
    if count == 0:
        context.out.say("Nothing in the queue matches.")
        raise click.exceptions.Exit(FAILED)
    for row in access.run(p.ListQueue(filter=chosen, limit=_SAMPLE)):
        if isinstance(row, p.MessageRow):
            to = ", ".join(safe(recipient.address) for recipient in row.recipients[:3])
            context.out.say(f"  {row.message}  {safe(row.sender) or '<>'} → {to}", style="quiet")
    if not sys.stdin.isatty():
        context.out.error(
            f"{plural(count, 'recipient')} match, and nobody is there to ask",
            f"Add --confirm {count} or --yes.",
        )
        raise click.exceptions.Exit(FAILED)
    if not click.confirm(f"{change.capitalize()} {plural(count, 'recipient')}?", err=True):
        raise click.exceptions.Exit(FAILED)


for _change, _doc, _verb in (
    ("retry", "Make recipients due now.", "due now"),
    ("hold", "Keep recipients back until they are released.", "held"),
    ("release", "Queue held recipients again.", "queued again"),
    ("cancel", "Give recipients up; nobody is told.", "given up"),
):
    _change_command(_change, _doc, _verb)
