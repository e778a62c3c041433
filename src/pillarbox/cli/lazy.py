"""A click group that imports a command only when it is used.

``pillarbox queue list`` must not wait for what ``pillarbox serve`` needs. The overview is written
from the table alone, so that ``--help`` imports nothing either.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

__all__ = ["LazyGroup", "Place"]


class Place(NamedTuple):
    """Where a command lives, and its line in the overview."""

    module: str  # below pillarbox.cli
    name: str
    summary: str


class LazyGroup(click.Group):
    """A group whose commands are given as a table, by section of the overview."""

    def __init__(self, *, sections: Mapping[str, Mapping[str, Place]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._sections = sections
        self._places = {name: place for part in sections.values() for name, place in part.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        del ctx
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such command."""
        del ctx
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module = importlib.import_module(f"pillarbox.cli.{place.module}")
        command: click.Command = getattr(module, place.name)
        command.short_help = place.summary
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview, section by section, without importing a command."""
        del ctx
        width = max(map(len, self._places))
        for title, part in self._sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:{width}}", place.summary) for name, place in part.items()]
                )
