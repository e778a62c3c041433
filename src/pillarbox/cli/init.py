"""``pillarbox init``: write a starter configuration."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.config.endpoints import is_host_name, is_loopback, parse_endpoint
from pillarbox.config.settings import TlsMode
from pillarbox.config.template import KINDS, Answers, starter
from pillarbox.smtp.address import ascii_domain

__all__ = ["init"]


@click.command()
@click.option("--kind", type=click.Choice(tuple(KINDS)), help="What this server is for.")
@click.option("--hostname", default="", help="Host name that it uses in greetings.")
@click.option("--domain", help="Domain it accepts mail for (mx, office).")
@click.option(
    "--smarthost", help="HOST:PORT of the smart host for all outgoing mail (relay, office)."
)
@click.option("--smarthost-user", default="", help="User name at the smart host.")
@click.option("--directory", default="var", help="Directory of the store.", show_default=True)
@click.option("--low-ports", is_flag=True, help="Ports 25 and 587 instead of 2527 and 2587.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("pillarbox.toml"),
    show_default=True,
    help="File to write; it must not exist.",
)
@pass_context
def init(
    context: Context,
    kind: str | None,
    hostname: str,
    domain: str | None,
    smarthost: str | None,
    smarthost_user: str,
    directory: str,
    low_ports: bool,  # noqa: FBT001 - click
    output: Path,
) -> None:
    """Write a starter configuration; prompts for what the options do not say.

    \b
    Examples:
      pillarbox init --kind relay --smarthost smtp.example.net:587 --smarthost-user apikey
      pillarbox init --kind mx --domain example.org --low-ports
    """  # noqa: D301 - click's mark: do not wrap
    if kind is None:
        for name, meaning in KINDS.items():
            context.out.say(f"  {name:7} {meaning}")
        kind = click.prompt("Kind", type=click.Choice(tuple(KINDS)), err=True)
        domain = domain or _ask_domain(kind)
    if domain is None:
        if kind != "relay":
            raise click.UsageError(f"--kind {kind} needs --domain")
        domain = "example.org"
    _check(domain, hostname, smarthost)
    answers = Answers(
        kind=kind,
        hostname=hostname,
        domain=domain,
        smarthost=smarthost or "",
        smarthost_user=smarthost_user,
        smarthost_tls=_tls(smarthost),
        directory=directory,
        low_ports=low_ports,
    )
    _write(context, output, starter(answers))
    context.out.say(f"Wrote {output}. Next: pillarbox --config {output} config check")


def _ask_domain(kind: str) -> str | None:
    if kind == "relay":
        return None
    answer: str = click.prompt("Domain whose mail it takes", err=True)
    return answer


def _check(domain: str, hostname: str, smarthost: str | None) -> None:
    for option, name in (("--domain", domain), ("--hostname", hostname)):
        if name and not is_host_name(ascii_domain(name)):
            raise click.UsageError(f"{option}: {name!r} is not a name")
    if smarthost and parse_endpoint(smarthost) is None:
        raise click.UsageError(f"--smarthost: {smarthost!r} is not HOST:PORT")


def _tls(smarthost: str | None) -> TlsMode:
    endpoint = parse_endpoint(smarthost or "")
    if endpoint is not None and is_loopback(endpoint.host):
        return TlsMode.NONE
    is_implicit = endpoint is not None and endpoint.port == 465  # noqa: PLR2004 - RFC 8314 §3.3
    return TlsMode.IMPLICIT if is_implicit else TlsMode.STARTTLS


def _write(context: Context, path: Path, text: str) -> None:
    try:
        # 0600: a password may be put into it later.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        context.out.error(f"{path} exists", "Remove it first, or give another name with -o.")
        raise click.exceptions.Exit(FAILED) from None
    except OSError as error:
        context.out.error(f"{path} cannot be written: {error.strerror}")
        raise click.exceptions.Exit(FAILED) from None
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
