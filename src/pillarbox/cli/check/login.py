"""``pillarbox check login``: whether a login works, with which mechanisms, and why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Column
from rich.text import Text

from pillarbox.checkup.facts.login import LoginTry
from pillarbox.checkup.facts.smtp import Mode
from pillarbox.checkup.probes.login import LoginQuestion, ask_login
from pillarbox.checkup.remark import BLAMED
from pillarbox.checkup.rules.login import LoginReport, judge_login
from pillarbox.checkup.time_limit import TimeLimit
from pillarbox.cli.check.options import (
    CheckOptions,
    check_options,
    end_early,
    run_check,
    tls_options,
)
from pillarbox.cli.check.output import WORDS, Progress, print_remark, remark_object
from pillarbox.cli.check.smtp_output import print_session
from pillarbox.cli.check.target import read_host, read_port, split_host
from pillarbox.cli.context import FAILED, TEMPORARY, Context, pass_context
from pillarbox.cli.given_secret import read_secret
from pillarbox.cli.output import Out, safe
from pillarbox.clock import SystemClock
from pillarbox.smtp.sasl.registry import MECHANISMS

__all__ = ["login"]


@click.command()
@click.argument("server", metavar="HOST[:PORT]")
@click.option("--user", "-u", required=True, metavar="NAME", help="The user name.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Read the password from this file; otherwise from standard input.",
)
@click.option("--password-env", metavar="NAME", help="Read it from this environment variable.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Log in with the OAuth token in this file instead.",
)
@click.option(
    "--mechanism",
    "mechanisms",
    multiple=True,
    type=click.Choice(list(MECHANISMS), case_sensitive=False),
    help="Try only this mechanism. Default: each one offered, once.",
)
@tls_options
@click.option(
    "--any-certificate",
    is_flag=True,
    help="Send the password even if the certificate does not verify. Not over the internet.",
)
@check_options(30.0, "Also show each line of the session before it.")
@pass_context
def login(
    context: Context,
    server: str,
    user: str,
    password_file: Path | None,
    password_env: str | None,
    token_file: Path | None,
    mechanisms: tuple[str, ...],
    tls: Mode | None,
    authorities: Path | None,
    any_certificate: bool,  # noqa: FBT001 - click
    asked: CheckOptions,
) -> None:
    """Log in to HOST by each mechanism that it offers, and say why that fails.

    The password is never taken from the command line, and shown only inside of TLS that
    verifies, or to this machine itself. A wrong one is tried once for each mechanism: mind
    servers that lock accounts. Exits with 1 if the login fails, with 75 if that could not be
    tested.

    \b
      pillarbox check login smtp.example.org -u ann@example.org --password-file secret
      pass show mail | pillarbox check login smtp.sendgrid.net -u apikey
    """  # noqa: D301 - click's mark: do not wrap
    host, port = split_host(server)
    given = _secret(password_file, password_env, token_file)
    question = LoginQuestion(
        host=read_host(host),
        ports=(read_port(port),) if port else (),
        user=user,
        mechanisms=tuple(name.upper() for name in mechanisms),
        authorities=authorities,
        expected=tls,
        takes_any_certificate=any_certificate,
        now=SystemClock().now(),
        **given,
    )

    async def ask(limit: TimeLimit) -> LoginReport:
        with Progress(is_silent=asked.is_silent) as progress:
            facts = await ask_login(question, asked.resolver(), limit=limit, on_done=progress.done)
        return judge_login(facts)

    report, was_stopped = run_check(context, asked, ask)
    if asked.as_json:
        context.out.json(_object(report))
    else:
        _print(context.out, report, level=asked.level)
    end_early(context.out, was_stopped=was_stopped)
    _exit(report)


def _secret(
    password_file: Path | None, password_env: str | None, token_file: Path | None
) -> dict[str, str]:
    if token_file is None:
        return {"password": read_secret(password_file, password_env, "Password")}
    if password_file is not None or password_env is not None:
        raise click.UsageError("Give a password or a token, not both.")
    return {"token": read_secret(token_file, None, "Token").strip()}


def _exit(report: LoginReport) -> None:
    statuses = {remark.status for remark in report.remarks}
    if statuses & BLAMED:
        raise click.exceptions.Exit(FAILED)
    if not report.works:
        raise click.exceptions.Exit(TEMPORARY)


def _print(out: Out, report: LoginReport, *, level: str) -> None:
    if level == "quiet":
        for remark in report.remarks:
            if remark.status in BLAMED:
                out.line(f"{WORDS[remark.status]}  {remark.code}  {safe(remark.what)}")
        return
    facts = report.facts
    where = str(facts.probe.target) if facts.probe is not None else "no port"
    out.line(
        Text.assemble(
            (safe(facts.host), "strong"),
            ("   login of ", "quiet"),
            (safe(facts.user), "strong"),
            (f"   at {where}", "quiet"),
        )
    )
    if facts.tries:
        columns = (
            Column("  mechanism", no_wrap=True),
            Column("", no_wrap=True),
            Column("time", justify="right", no_wrap=True),
            Column("what the server said", overflow="fold"),
        )
        out.line()
        out.table(columns, map(_row, facts.tries))
        if facts.left_out:
            out.line(Text(f"  not tried any more: {', '.join(facts.left_out)}", "quiet"))
    for remark in report.remarks:
        out.line()
        print_remark(out, remark)
    if level == "verbose" and facts.probe is not None:
        print_session(out, facts.probe)


def _row(one: LoginTry) -> tuple[Text, ...]:
    word, style = ("works", "good") if one.is_accepted else ("refused", "bad")
    if one.is_open:
        word, style = "not tested", "quiet"
    said = str(one.reply) if one.reply is not None else one.reason
    return (
        Text(f"  {one.mechanism}"),
        Text(word, style),
        Text(f"{one.seconds * 1000:.0f} ms"),
        Text(safe(said)),
    )


def _object(report: LoginReport) -> dict[str, Any]:
    facts = report.facts
    return {
        "target": facts.host,
        "user": facts.user,
        "works": report.works,
        "provider": facts.form.name if facts.form is not None else "",
        "address": facts.probe.target.address if facts.probe is not None else "",
        "port": facts.probe.target.port if facts.probe is not None else None,
        "offered": sorted(facts.offered),
        "findings": [remark_object(remark) for remark in report.remarks],
        "mechanisms": [
            {
                "name": one.mechanism,
                "status": "pass" if one.is_accepted else "skip" if one.is_open else "fail",
                "seconds": round(one.seconds, 4),
                "reply": str(one.reply) if one.reply is not None else "",
                "reason": one.reason,
            }
            for one in facts.tries
        ],
        "not_tried": list(facts.left_out),
    }
