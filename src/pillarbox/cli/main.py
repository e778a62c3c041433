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

# Where each command lives, by section of the help: only the one that is asked for is imported,
# so that `pillarbox queue list` does not wait for what `pillarbox serve` needs.
_SECTIONS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Try it": {
        "sandbox": ("sandbox", "sandbox"),
        "send": ("send", "send"),
        "readyz": ("ready", "readyz"),
        "demo": ("demo", "demo"),
    },
    "Find out why mail fails": {
        "explain": ("explain", "explain"),
        "check": ("check", "check"),
        "talk": ("talk", "talk"),
        "verify": ("verify", "verify"),
        "reports": ("reports", "reports"),
    },
    "Run a node": {
        "init": ("init", "init"),
        "config": ("config", "config"),
        "serve": ("serve", "serve"),
        "status": ("status", "status"),
        "pause": ("status", "pause"),
        "resume": ("status", "resume"),
        "reload": ("status", "reload"),
        "stop": ("status", "stop"),
        "backup": ("store", "backup"),
        "restore": ("store", "restore"),
    },
    "See and steer mail": {
        "queue": ("queue", "queue"),
        "log": ("log", "log"),
    },
    "Say who may send": {
        "credential": ("credential", "credential"),
        "auth": ("auth", "auth"),
        "relay": ("relay", "relay"),
    },
    "Set up a domain": {
        "dns": ("dns_records", "dns"),
        "dkim": ("dkim", "dkim"),
        "spf": ("spf", "spf"),
        "dmarc": ("dmarc", "dmarc"),
        "mta-sts": ("mta_sts", "mta_sts"),
    },
    "About pillarbox": {
        "completion": ("completion", "completion"),
        "manual": ("manual", "manual"),
        "version": ("version", "version"),
    },
}
_COMMANDS: Final = {name: place for part in _SECTIONS.values() for name, place in part.items()}


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _COMMANDS))
        for title, part in _SECTIONS.items():
            rows = []
            for name in part:
                command = self.get_command(ctx, name)
                if command is not None:
                    # As much as fits beside the name (two columns in front, two between).
                    about = command.get_short_help_str(formatter.width - width - 4)
                    rows.append((f"{name:{width}}", about))
            with formatter.section(title):
                formatter.write_dl(rows)


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
