"""``pillarbox check``: look at a domain, a server or a mail from the outside."""

from __future__ import annotations

import importlib
from typing import Final

import click

__all__ = ["check"]

_COMMANDS: Final = {
    "domain": ("check.domain", "domain"),
    "smtp": ("check.smtp", "smtp"),
    "message": ("check.message", "message"),
    "login": ("check.login", "login"),
    "port25": ("check.port25", "port25"),
}


class _LazyGroup(click.Group):
    """A group that imports a subcommand when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"pillarbox.cli.{module}"), name)
        return command


@click.group(cls=_LazyGroup)
def check() -> None:
    """Look at a domain, a server, a mail, a login or a port, and say what to put right.

    \b
      pillarbox check domain example.org
      pillarbox check smtp smtp.example.org:587
      pillarbox check message mail.eml
      pillarbox check login smtp.example.org -u ann@example.org
      pillarbox check port25
    """  # noqa: D301 - click's mark: do not wrap
