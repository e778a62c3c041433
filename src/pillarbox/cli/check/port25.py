"""``pillarbox check port25``: whether this host can send mail itself, and the alternatives."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.checkup.catalog.hosting import Hosting, hostings, this_machine
from pillarbox.checkup.facts.port25 import Attempt, Role
from pillarbox.checkup.probes.port25 import OTHERS, SMTP_PORT, Port25Question, ask_port25
from pillarbox.checkup.remark import Status
from pillarbox.checkup.rules.port25 import Port25Report, Verdict, judge_port25
from pillarbox.checkup.time_limit import TimeLimit
from pillarbox.cli.check.options import CheckOptions, check_options, end_early, run_check
from pillarbox.cli.check.output import WORDS, Progress, print_remark, remark_object
from pillarbox.cli.check.target import split_target
from pillarbox.cli.context import FAILED, TEMPORARY, Context, pass_context
from pillarbox.cli.output import Out, safe

__all__ = ["port25"]

_IMPLICIT: Final = 465
_SUBMISSION: Final = 587
_CONFIGURATION: Final = """\
[route.out]
kind = "smarthost"
host = "{host}:{port}"
tls = "{tls}"
user = "{user}"
password_file = "/etc/pillarbox/smarthost-password"   # mode 0600
recipients = ["*"]
"""
_USERS: Final = {"sendgrid.net": "apikey", "resend.com": "resend"}  # the rest wants an address


@click.command()
@click.option(
    "--server",
    "dialed",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Try this mail server, instead of those of Gmail, Outlook, Yahoo and iCloud.",
)
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar="HOST:PORT",
    help="Compare with this server, instead of well-known submission servers.",
)
@click.option(
    "--provider",
    type=click.Choice([one.id for one in hostings()]),
    help="Where this machine is hosted. Default: read from its firmware.",
)
@click.option("--smarthost", metavar="HOST", help="Write the configuration for this smart host.")
@check_options(20.0, "Also show each connection tried.")
@pass_context
def port25(
    context: Context,
    dialed: tuple[str, ...],
    others: tuple[str, ...],
    provider: str | None,
    smarthost: str | None,
    asked: CheckOptions,
) -> None:
    """Say whether outgoing port 25 is blocked here, and how to send all the same.

    Mail servers of four companies are dialed on port 25, submission servers on their ports, and
    an address that nobody has; the outcomes are compared. Nothing is sent. Exits with 1 if port
    25 cannot be used, with 75 if that could not be tested. Ends within 20 seconds.
    """
    question = Port25Question(
        servers=tuple(split_target(text, SMTP_PORT) for text in dialed),
        others=tuple(split_target(text, _SUBMISSION) for text in others) or OTHERS,
        hosting=_hosting(provider),
    )

    async def ask(limit: TimeLimit) -> Port25Report:
        with Progress(is_silent=asked.is_silent) as progress:
            facts = await ask_port25(question, asked.resolver(), limit=limit, on_done=progress.done)
        return judge_port25(facts)

    report, was_stopped = run_check(context, asked, ask)
    if asked.as_json:
        context.out.json(_object(report, smarthost))
    elif asked.is_quiet:
        for remark in report.remarks:
            if remark.status is Status.FAIL:
                context.out.line(f"{WORDS[remark.status]}  {remark.code}  {safe(remark.what)}")
    else:
        _print(context.out, report, smarthost, is_verbose=asked.is_verbose)
    end_early(context.out, was_stopped=was_stopped)
    if report.verdict is Verdict.UNKNOWN:
        raise click.exceptions.Exit(TEMPORARY)
    if report.verdict is not Verdict.OPEN:
        raise click.exceptions.Exit(FAILED)


def _hosting(provider: str | None) -> Hosting | None:
    if provider is None:
        return this_machine()
    return next(one for one in hostings() if one.id == provider)


def _print(out: Out, report: Port25Report, smarthost: str | None, *, is_verbose: bool) -> None:
    styles = {Verdict.OPEN: "good", Verdict.UNKNOWN: "quiet"}
    out.line(
        Text.assemble(
            ("outgoing port 25   ", "quiet"),
            (report.verdict.value, styles.get(report.verdict, "bad")),
        )
    )
    for remark in report.remarks:
        out.line()
        print_remark(out, remark, has_evidence=not is_verbose or remark.status is Status.INFO)
    if is_verbose:
        _print_attempts(out, report)
    if report.verdict not in {Verdict.OPEN, Verdict.UNKNOWN}:
        out.line()
        out.line(
            Text("the way around it (pillarbox.toml; fill in your provider's values)", "quiet")
        )
        for line in _configuration(report, smarthost).splitlines():
            out.line(f"  {line}")
        out.line(Text(f"  Postfix: {_postfix(report, smarthost)}", "quiet"))


def _print_attempts(out: Out, report: Port25Report) -> None:
    columns = (
        Column("  for", no_wrap=True),
        Column("host", overflow="fold"),
        Column("address", no_wrap=True),
        Column("time", justify="right", no_wrap=True),
        Column("outcome", overflow="fold"),
    )
    out.line()
    out.table(columns, map(_row, report.facts.attempts))


def _row(one: Attempt) -> tuple[Text, ...]:
    failure = one.failure.value if one.failure is not None else "open"
    said = safe(str(one.greeting)) if one.greeting is not None else failure
    is_wanted = one.role is not Role.NOBODY
    style = "good" if (one.failure is None) is is_wanted else "bad"
    return (
        Text(f"  {one.role.value}"),
        Text(safe(one.target.host)),
        Text(str(one.target)),
        Text(f"{one.seconds * 1000:.0f} ms"),
        Text(said, style),
    )


def _configuration(report: Port25Report, smarthost: str | None) -> str:
    host, port = _smarthost(report, smarthost)
    tls = "implicit" if port == _IMPLICIT else "starttls"
    user = next((user for name, user in _USERS.items() if host.endswith(name)), "your login")
    return _CONFIGURATION.format(host=host, port=port, tls=tls, user=user)


def _postfix(report: Port25Report, smarthost: str | None) -> str:
    host, port = _smarthost(report, smarthost)
    wrapper = "; smtp_tls_wrappermode = yes" if port == _IMPLICIT else ""
    return f"relayhost = [{host}]:{port}; smtp_tls_security_level = encrypt{wrapper}"


def _smarthost(report: Port25Report, smarthost: str | None) -> tuple[str, int]:
    return split_target(smarthost or "smtp.example.net", report.port or _SUBMISSION)


def _object(report: Port25Report, smarthost: str | None) -> dict[str, Any]:
    hosting = report.facts.hosting
    return {
        "verdict": report.verdict.value,
        "port_to_use": report.port,
        "hosting": {
            "id": hosting.id,
            "name": hosting.name,
            "policy": hosting.policy,
            "unblock": hosting.unblock,
            "sure": hosting.sure,
            "source": hosting.source,
        }
        if hosting is not None
        else None,
        "smarthost": _configuration(report, smarthost),
        "findings": [remark_object(remark) for remark in report.remarks],
        "attempts": [
            {
                "role": one.role.value,
                "host": one.target.host,
                "address": one.target.address,
                "port": one.target.port,
                "seconds": round(one.seconds, 4),
                "open": one.is_open,
                "failure": one.failure.value if one.failure is not None else "",
                "greeting": str(one.greeting) if one.greeting is not None else "",
            }
            for one in report.facts.attempts
        ],
    }
