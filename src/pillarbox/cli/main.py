"""``pillarbox``: one command for the whole system, a subcommand for each noun.

Exit status: 0 done, 1 it failed or something was found, 2 wrong usage, 75 try again later.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from pillarbox import __version__
from pillarbox.cli.context import Context
from pillarbox.cli.lazy import LazyGroup, Place
from pillarbox.cli.output import Out

__all__ = ["cli", "main"]

_SECTIONS: Final = {
    "Try it": {
        "sandbox": Place("sandbox.command", "sandbox", "Catch mail and show it in the browser."),
        "send": Place("send.command", "send", "Send a test message to the sandbox or any server."),
        "readyz": Place("ready", "readyz", "Exit 0 once the sandbox is ready."),
        "demo": Place(
            "demo.command",
            "demo",
            "Start a sandbox with mail in it and a node that delivers.",
        ),
    },
    "Find out why mail fails": {
        "explain": Place(
            "explain", "explain", "Explain a reply, a bounce, a log line or an error."
        ),
        "check": Place(
            "check.command",
            "check",
            "Test a domain, server, message, login or port 25.",
        ),
        "talk": Place(
            "talk.command",
            "talk",
            "Speak SMTP by hand, or run a script of it.",
        ),
        "verify": Place(
            "verify", "verify", "Verify a message's SPF, DKIM, DMARC and ARC, or the store."
        ),
        "reports": Place(
            "reports.command",
            "reports",
            "Read DMARC and TLS reports about your domains.",
        ),
    },
    "Run a node": {
        "init": Place("init", "init", "Write a starter configuration."),
        "config": Place("config", "config", "Check, show and document the configuration."),
        "serve": Place("serve", "serve", "Run the node."),
        "status": Place("status", "status", "Show whether the node runs, and what it does."),
        "pause": Place("status", "pause", "Stop delivering; mail is still accepted."),
        "resume": Place("status", "resume", "Deliver again after a pause."),
        "reload": Place("status", "reload", "Reload the configuration and certificates."),
        "stop": Place("status", "stop", "Stop the node gracefully, and wait for it."),
        "backup": Place("store", "backup", "Copy the store to a file."),
        "restore": Place("store", "restore", "Restore the store from a copy."),
    },
    "Follow and manage mail": {
        "queue": Place("queue", "queue", "List, retry, hold or cancel queued mail."),
        "log": Place("log", "log", "Show the history of a message or a recipient."),
    },
    "Control who may send": {
        "credential": Place(
            "credential",
            "credential",
            "Manage passwords, API keys and app passwords.",
        ),
        "auth": Place(
            "auth.command",
            "auth",
            "Show failed logins, their reasons, and bans.",
        ),
        "relay": Place(
            "relay.command",
            "relay",
            "Explain the relay policy, and prove it closed.",
        ),
    },
    "Set up a domain": {
        "dns": Place("dns_records", "dns", "Print the DNS records that a mail domain needs."),
        "dkim": Place("dkim.command", "dkim", "Create, check, rotate and explain DKIM keys."),
        "spf": Place("spf", "spf", "Explain an SPF record as receivers evaluate it."),
        "dmarc": Place("dmarc.command", "dmarc", "Explain a DMARC policy, or read a report."),
        "mta-sts": Place("mta_sts", "mta_sts", "Print and verify your MTA-STS policies."),
    },
    "About pillarbox": {
        "completion": Place(
            "completion",
            "completion",
            "Print the shell completion script.",
        ),
        "manual": Place("manual", "manual", "Write the manual pages."),
        "version": Place(
            "version",
            "version",
            "Print the versions of pillarbox and its libraries.",
        ),
    },
}


@click.group(
    cls=LazyGroup,
    sections=_SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file. Default: ./pillarbox.toml and the usual places.",
)
@click.option("--no-color", is_flag=True, help="Print without colors (as NO_COLOR does).")
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, no_color: bool) -> None:  # noqa: FBT001 - click
    """Send and receive mail by SMTP, with a reason for everything.

    \b
    Begin with:
      pillarbox sandbox                catch the mail of a program, and look at it
      pillarbox init --kind relay      write a configuration for a server
      pillarbox config check           find mistakes in it
      pillarbox serve                  run
      pillarbox queue summary          what waits, for which destination, since when
      pillarbox log ann@example.org    what happened to mail for her
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
