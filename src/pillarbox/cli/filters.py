"""Options that select recipients in the queue, shared by the queue commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from pillarbox.config.settings import Unit
from pillarbox.config.units import EXAMPLES, parse_quantity
from pillarbox.control.protocol import Filter
from pillarbox.policy.queue import RecipientState

__all__ = ["Age", "filter_of", "filter_options"]

_STATES: Final = tuple(state.name.lower() for state in RecipientState)


class Age(click.ParamType[float]):
    """An age, such as ``30 min``."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds that a text says."""
        seconds = parse_quantity(str(value), Unit.SECONDS)
        if seconds is None:
            self.fail(f"{value!r} is not an age, such as {EXAMPLES[Unit.SECONDS]}", param, ctx)
        return seconds


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add message ids and the filters to a command."""
    for decorator in (
        click.option("--message-id", help="The Message-ID header."),
        click.option("--newer", type=Age(), help='At most this old: "2 h".'),
        click.option("--older", type=Age(), help='At least this old: "30 min".'),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(_STATES), help="May be repeated."
        ),
        click.option("--sender", help='Reverse-path; "" or "<>" for the null one.'),
        click.option("--domain", help="Domain of the recipient."),
        click.option("--recipient", help="Address of the recipient."),
        click.argument("messages", nargs=-1, metavar="[ID]..."),
    ):
        command = decorator(command)
    return command


def filter_of(options: dict[str, Any]) -> Filter:
    """Return the filter that the options of ``filter_options`` make."""
    sender: str | None = options["sender"]
    return Filter(
        messages=list(options["messages"]) or None,
        recipient=options["recipient"],
        domain=options["domain"],
        sender=None if sender is None else sender.removeprefix("<").removesuffix(">"),
        states=list(options["states"]) or None,
        older=options["older"],
        newer=options["newer"],
        message_id=options["message_id"],
    )
