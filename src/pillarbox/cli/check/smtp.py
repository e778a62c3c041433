"""``pillarbox check smtp``: which ports of a server work, and what is wrong with the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

from pillarbox.checkup.facts.report import ServerReport
from pillarbox.checkup.facts.smtp import Mode, RelayFacts, ServerFacts
from pillarbox.checkup.probes.host import CONTROL, ServerQuestion, ask_server
from pillarbox.checkup.probes.relay import ask_for_relay, is_own
from pillarbox.checkup.probes.smtp import ProbeOptions
from pillarbox.checkup.remark import BLAMED, Status
from pillarbox.checkup.rules.smtp import judge_server
from pillarbox.checkup.time_limit import TimeLimit
from pillarbox.cli.check.options import (
    CheckOptions,
    check_options,
    end_early,
    run_check,
    tls_options,
)
from pillarbox.cli.check.output import Progress
from pillarbox.cli.check.smtp_output import print_server, server_object
from pillarbox.cli.check.target import read_host, read_port, split_host
from pillarbox.cli.context import FAILED, TEMPORARY, Context, pass_context
from pillarbox.clock import SystemClock
from pillarbox.errors import PermanentError
from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.domain import is_domain
from pillarbox.smtp.path import parse_mailbox

__all__ = ["smtp"]

_MAX_PORTS: Final = 12


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is asked, and how."""

    question: ServerQuestion
    options: ProbeOptions
    own_domain: str  # of the server, for the forms of a relay; "" if they are not to be tried


@click.command()
@click.argument("server", metavar="HOST[:PORT]")
@click.option(
    "--ports", metavar="25,465,...", help="The ports to check, instead of the usual ones."
)
@click.option(
    "--from", "sender", metavar="ADDRESS", help="Sender for MAIL FROM; no message is sent."
)
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="Recipient for RCPT TO.")
@tls_options
@click.option(
    "--hello", default="check.invalid", show_default=True, help="The name to give in EHLO."
)
@click.option(
    "--relay-forms",
    "own_domain",
    metavar="DOMAIN",
    help="Ask for a relay in every known form; DOMAIN is one of the server's. For your own host only.",
)
@check_options(30.0, "Also show each line of the sessions.")
@pass_context
def smtp(
    context: Context,
    server: str,
    ports: str | None,
    sender: str | None,
    recipients: tuple[str, ...],
    tls: Mode | None,
    hello: str,
    authorities: Path | None,
    own_domain: str | None,
    asked: CheckOptions,
) -> None:
    """Look at every address of HOST on ports 25, 465, 587 and 2525, and name the one to use.

    Nothing is sent: with --from and --to, MAIL and RCPT are said and taken back. Exits with 1 if
    there is something to put right or no port works, with 75 if that could not be told, otherwise
    with 0. Ends within 30 seconds.

    \b
      pillarbox check smtp smtp.example.org
      pillarbox check smtp mx.example.org:25 --from ann@example.net --to bob@example.org
    """  # noqa: D301 - click's mark: do not wrap
    question = _question(server, ports)
    _check_envelope(sender, recipients)
    options = ProbeOptions(
        hello=hello,
        sender=sender or "",
        recipients=recipients,
        authorities=authorities,
        expected=tls,
        lists_versions=True,
    )
    if own_domain is not None and not is_domain(ascii_domain(own_domain)):
        raise click.BadParameter(f"{own_domain!a} is no domain", param_hint="--relay-forms")
    asking = _Asking(question, options, own_domain or "")

    async def ask(limit: TimeLimit) -> tuple[ServerReport, float]:
        return await _ask(asking, asked, limit)

    (report, seconds), was_stopped = run_check(context, asked, ask)
    if asked.as_json:
        context.out.json(server_object(report))
    else:
        print_server(context.out, report, seconds=seconds, level=asked.level)
    end_early(context.out, was_stopped=was_stopped)
    _exit(report)


def _exit(report: ServerReport) -> None:
    if any(remark.status in BLAMED for remark in report.remarks):
        raise click.exceptions.Exit(FAILED)
    if report.port is None:
        is_open = all(remark.status is Status.SKIP for remark in report.remarks)
        raise click.exceptions.Exit(TEMPORARY if is_open else FAILED)


def _question(server: str, ports: str | None) -> ServerQuestion:
    """Return what is asked.

    Raises:
        click.UsageError: It is not what it should be.
    """
    host, port = split_host(server)
    if port and ports:
        raise click.UsageError("give the port with the host or with --ports, not both")
    named = [read_port(text) for text in (ports.split(",") if ports else [port] if port else [])]
    if len(named) > _MAX_PORTS:
        raise click.BadParameter(f"more than {_MAX_PORTS} ports", param_hint="--ports")
    wanted = read_host(host)
    return ServerQuestion(host=wanted, ports=tuple(named), now=SystemClock().now(), control=CONTROL)


def _check_envelope(sender: str | None, recipients: tuple[str, ...]) -> None:
    """Go on if the addresses are some.

    Raises:
        click.UsageError: They are not.
    """
    if sender is not None and not recipients:
        raise click.UsageError("--from has no effect without --to")
    for address in filter(None, (sender, *recipients)):
        try:
            parse_mailbox(address)
        except PermanentError as error:
            raise click.BadParameter(str(error), param_hint="--from, --to") from None


async def _ask(
    asking: _Asking, asked: CheckOptions, limit: TimeLimit
) -> tuple[ServerReport, float]:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with Progress(is_silent=asked.is_silent) as progress:
        facts = await ask_server(
            asking.question, asked.resolver(), asking.options, limit=limit, on_done=progress.done
        )
        if asking.own_domain:
            facts = replace(facts, relay=await limit.result(_relay(facts, asking)))
    return judge_server(facts), loop.time() - begin


async def _relay(facts: ServerFacts, asking: _Asking) -> RelayFacts | None:
    """Ask the first port in the clear for a relay.

    Raises:
        PermanentError: The host is somebody else's, as far as can be told.
    """
    spoken = [one.target for one in facts.probes if one.clear is not None]
    if not spoken:
        return None
    if not is_own(spoken[0].address):
        raise PermanentError(
            f"{spoken[0].address} is no address of this machine or network: on the host itself,"
            " `pillarbox relay prove` and this option ask for a relay"
        )
    return await ask_for_relay(spoken[0], asking.own_domain, asking.options.hello)
