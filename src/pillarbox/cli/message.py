"""Prints one message of the queue: its properties, and the state of each recipient."""

from __future__ import annotations

from rich.table import Column
from rich.text import Text

from pillarbox.cli.output import Out, safe, show_age, show_size, state_text
from pillarbox.clock import SystemClock
from pillarbox.control.protocol import MessageRow
from pillarbox.events.text import show_time

__all__ = ["message_lines"]


def message_lines(out: Out, message: MessageRow) -> None:
    """Write a message and its recipients."""
    now = SystemClock().now()
    identity = f" as {safe(message.identity)}" if message.identity else ""
    accepted = f"{show_time(message.accepted_at)}, {show_age(now - message.accepted_at)} ago"
    facts = (
        ("from", safe(message.sender) or "<> (a notification)"),
        ("accepted", accepted),
        ("by", f"{safe(message.origin)}, client {safe(message.client) or 'local'}{identity}"),
        ("size", show_size(message.size)),
        ("Message-ID", safe(message.message_id)),
        ("reports on", message.bounce_of),
    )
    out.line(Text.assemble(("message", "quiet"), "  ", (message.message, "id")))
    for label, text in facts:
        if text:
            out.line(Text.assemble((f"  {label:10}  ", "quiet"), text))
    columns = (
        Column("  recipient", overflow="fold", ratio=2),
        Column("state", no_wrap=True),
        Column("tries", justify="right"),
        Column("next attempt", no_wrap=True),
        Column("route", no_wrap=True),
        Column("last reply", overflow="fold", ratio=3),
    )
    out.table(
        columns,
        (
            (
                f"  {safe(recipient.address)}",
                state_text(recipient.state),
                str(recipient.attempts),
                show_time(recipient.next_attempt_at)[:19] + "Z"
                if recipient.next_attempt_at
                else "-",
                safe(recipient.route),
                Text(safe(recipient.last_reply), style="quiet"),
            )
            for recipient in message.recipients
        ),
    )
