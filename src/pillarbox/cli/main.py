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

# Where each command lives, and what the help says of it: only the one that is asked for is
# imported, so that `pillarbox queue list` does not wait for what `pillarbox serve` needs.
_SECTIONS: Final[dict[str, dict[str, tuple[str, str, str]]]] = {
    "Try it": {
        "sandbox": ("sandbox.command", "sandbox", "Catch mail, and look at it in the browser."),
        "send": ("send.command", "send", "Send one mail, to the sandbox or to any server."),
        "readyz": ("ready", "readyz", "Say whether the sandbox is ready."),
        "demo": (
            "demo.command",
            "demo",
            "Start a sandbox with mail in it, and a node that delivers some.",
        ),
    },
    "Find out why mail fails": {
        "explain": ("explain", "explain", "Say what happened, whose fault it is, and what to do."),
        "check": (
            "check.command",
            "check",
            "Look at a domain, server, mail, login or port for faults.",
        ),
        "talk": (
            "talk.command",
            "talk",
            "Speak SMTP by hand: telnet with hints, or a test by a script.",
        ),
        "verify": ("verify", "verify", "Say who sent a message; without one, check the store."),
        "reports": (
            "reports.command",
            "reports",
            "Look at DMARC and TLS reports about our domains.",
        ),
    },
    "Run a node": {
        "init": ("init", "init", "Write a configuration to start from."),
        "config": ("config", "config", "Check, show and document the configuration."),
        "serve": ("serve", "serve", "Run the node."),
        "status": ("status", "status", "Say how the node is."),
        "pause": ("status", "pause", "Start no more deliveries; mail is still taken and kept."),
        "resume": ("status", "resume", "Deliver again after a pause."),
        "reload": ("status", "reload", "Read the configuration and the certificates again."),
        "stop": ("status", "stop", "Stop the node as SIGTERM does, and wait until it has."),
        "backup": ("store", "backup", "Copy the store to a file."),
        "restore": ("store", "restore", "Put a copy in the place of the store."),
    },
    "See and steer mail": {
        "queue": ("queue", "queue", "See and steer what waits to be delivered."),
        "log": ("log", "log", "Tell what happened to a message, or to mail for a recipient."),
    },
    "Say who may send": {
        "credential": (
            "credential",
            "credential",
            "Say who may log in: passwords, API keys and app passwords.",
        ),
        "auth": (
            "auth.command",
            "auth",
            "See who fails to log in and why, and who is banned for it.",
        ),
        "relay": (
            "relay.command",
            "relay",
            "Explain the relay policy, and prove that it is closed.",
        ),
    },
    "Set up a domain": {
        "dns": ("dns_records", "dns", "Write what a domain needs in DNS for mail."),
        "dkim": ("dkim.command", "dkim", "Make, publish, check, rotate and explain DKIM keys."),
        "spf": ("spf", "spf", "Look at SPF as receivers do."),
        "dmarc": ("dmarc.command", "dmarc", "Look at DMARC as receivers do."),
        "mta-sts": ("mta_sts", "mta_sts", "Print our MTA-STS policies and their records."),
    },
    "About pillarbox": {
        "completion": (
            "completion",
            "completion",
            "Print what a shell reads to complete pillarbox's commands.",
        ),
        "manual": ("manual", "manual", "Write a manual page for each command."),
        "version": (
            "version",
            "version",
            "Print the versions of pillarbox, Python and the libraries.",
        ),
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
        module, name, about = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"pillarbox.cli.{module}"), name)
        command.short_help = about
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        width = max(map(len, _COMMANDS))
        for title, part in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:{width}}", about) for name, (*_, about) in part.items()]
                )


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
