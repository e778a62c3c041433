"""``pillarbox``: one command for the whole system, a subcommand for each noun.

Exit status: 0 done, 1 it failed or something was found, 2 wrong usage, 75 try again later.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Final

import click

from pillarbox import __version__
from pillarbox.cli.context import Context
from pillarbox.cli.output import Out

__all__ = ["cli", "main"]

# Where each command lives: only the one that is asked for is imported, so that `pillarbox
# queue list` does not wait for what `pillarbox serve` needs.
_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "serve": ("serve", "serve"),
    "init": ("init", "init"),
    "config": ("config", "config"),
    "status": ("status", "status"),
    "queue": ("queue", "queue"),
    "log": ("log", "log"),
    "explain": ("explain", "explain"),
    "check": ("check", "check"),
    "pause": ("status", "pause"),
    "resume": ("status", "resume"),
    "reload": ("status", "reload"),
    "stop": ("status", "stop"),
    "backup": ("store", "backup"),
    "restore": ("store", "restore"),
    "verify": ("verify", "verify"),
    "auth": ("auth", "auth"),
    "credential": ("credential", "credential"),
    "dkim": ("dkim", "dkim"),
    "dmarc": ("dmarc", "dmarc"),
    "mta-sts": ("mta_sts", "mta_sts"),
    "relay": ("relay", "relay"),
    "reports": ("reports", "reports"),
    "spf": ("spf", "spf"),
    "demo": ("demo", "demo"),
    "version": ("version", "version"),
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


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file; otherwise ./pillarbox.toml and the usual places.",
)
@click.option("--no-color", is_flag=True, help="Write without colors (as NO_COLOR does).")
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, no_color: bool) -> None:  # noqa: FBT001 - click
    """Send and receive mail by SMTP, with a reason for everything.

    \b
    Begin with:
      pillarbox init --kind relay      write a configuration
      pillarbox config check           look for mistakes in it
      pillarbox serve                  run
      pillarbox queue summary          what waits, for where, how long
      pillarbox log ann@example.org    what happened to her mail
    """  # noqa: D301 - click's mark: do not wrap
    ctx.obj = Context(config=config, out=Out(no_color=no_color))


def main() -> None:
    """Run the command line."""
    try:
        cli(prog_name="pillarbox")
    except BrokenPipeError:
        # The reader (`head`, `less`) has had enough. Without this, Python complains once
        # more when it flushes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
