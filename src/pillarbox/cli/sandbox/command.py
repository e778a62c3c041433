"""``pillarbox sandbox``: catches mail and shows it in the browser."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from pillarbox.cli.context import Context, pass_context
from pillarbox.cli.output import Out
from pillarbox.cli.sandbox.screen import describe, show_screen
from pillarbox.cli.serve import notify_manager
from pillarbox.config.mailpit import with_mailpit_names
from pillarbox.config.settings import SandboxAuth, Settings, Unit
from pillarbox.config.units import EXAMPLES, parse_quantity
from pillarbox.events.event import Event
from pillarbox.events.text import show_event
from pillarbox.events.types import ConnectionClosed

__all__ = ["sandbox"]


class _Quantity(click.ParamType[float]):
    """A duration or a size, as in the configuration."""

    def __init__(self, unit: Unit) -> None:
        self.name = unit.value
        self._unit = unit

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | int:
        quantity = parse_quantity(str(value), self._unit)
        if quantity is None:
            self.fail(f"{value!r} is not a {self.name}: write {EXAMPLES[self._unit]}", param, ctx)
        return int(quantity) if self._unit is Unit.OCTETS else quantity


_REFUSED: Final = ("lost in the TLS handshake", "TLS: TLSV1_ALERT_UNKNOWN_CA", "TLS: SSLV3_ALERT_")

_DURATION: Final = _Quantity(Unit.SECONDS)
_SIZE: Final = _Quantity(Unit.OCTETS)


def _addresses(
    ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Read addresses: none given leaves the setting, "" or "off" means nowhere."""
    del ctx, parameter
    if not value:
        return None
    return tuple(each for each in value if each not in {"", "off", "none"})


def _given(
    ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...] | None:
    del ctx, parameter
    return value or None


@click.command()
@click.option(
    "--smtp",
    multiple=True,
    callback=_addresses,
    metavar="HOST:PORT",
    help="Address for SMTP. Default: localhost:1025. Port 0: any free port.",
)
@click.option(
    "--smtps",
    multiple=True,
    callback=_addresses,
    metavar="HOST:PORT",
    help="Address for SMTP with TLS from the first octet. Default: none.",
)
@click.option(
    "--http",
    multiple=True,
    callback=_addresses,
    metavar="HOST:PORT",
    help="Address of the page and the API. Default: localhost:8025.",
)
@click.option(
    "--pop3",
    multiple=True,
    callback=_addresses,
    metavar="HOST:PORT",
    help='Address for POP3. Default: localhost:1110. "off": none.',
)
@click.option(
    "--database",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Store mail in this file. Default: in memory.",
)
@click.option("--max-messages", type=click.IntRange(min=0), help="Messages to keep; 0: all.")
@click.option("--max-age", type=_DURATION, help='How long to keep mail, such as "7 d".')
@click.option("--max-size", type=_SIZE, help='Total octets to keep, such as "1 GiB".')
@click.option("--label", help="Name that tells this sandbox from others.")
@click.option(
    "--auth",
    type=click.Choice([each.value for each in SandboxAuth]),
    help="Which logins are accepted. Default: any.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    callback=_given,
    metavar="USER:PASSWORD",
    help="User that may log in; all others are refused.",
)
@click.option(
    "--users-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="File of users that may log in, one USER:PASSWORD per line.",
)
@click.option(
    "--require-auth/--no-require-auth",
    default=None,
    help="Refuse mail without a login. Default: yes if users are given.",
)
@click.option(
    "--starttls/--no-starttls",
    default=None,
    help="Offer STARTTLS with a self-signed certificate. Default: no, since many programs "
    "would use it and then reject the certificate.",
)
@click.option(
    "--http-user",
    "http_users",
    multiple=True,
    callback=_given,
    metavar="USER:PASSWORD",
    help="User that may open the page. Default: everybody.",
)
@click.option("--webroot", metavar="PATH", help="Path of the page behind a proxy.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    callback=_given,
    metavar="NAME",
    help='Additional host name of the page; "*": any.',
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Log everything that happens.")
@pass_context
def sandbox(
    context: Context,
    as_json: bool,  # noqa: FBT001 - click
    verbose: bool,  # noqa: FBT001 - click
    **given: Any,
) -> None:
    """Catch all mail sent here, show it in the browser, and deliver none of it.

    Point a program at localhost:1025 and open http://localhost:8025. Options take precedence over
    PILLARBOX_SANDBOX__... variables, these over Mailpit's MP_... variables, and these over
    [sandbox] in the configuration file.
    """
    # Imported here, so that `--help` does not wait for it.
    from pillarbox.node.sandbox_process import run_sandbox  # noqa: PLC0415

    out = context.out
    with context.errors():
        settings, findings = with_mailpit_names(context.load(), os.environ)
        settings = _with(settings, given)
        out.findings(findings, as_talk=True)

        refusals = _Refusals(out)

        def hear(event: Event) -> None:
            refusals(event)
            if verbose:
                _tell(event)

        def ready(node: Any) -> None:
            """Say where it is, once it is there."""
            refusals.certificate = str(node.certificate or "")
            if as_json:
                out.json(describe(settings, node.addresses, str(node.certificate or "")))
            else:
                show_screen(out, settings, node.addresses)
            sys.stdout.flush()
            notify_manager("READY=1")

        run_sandbox(settings, sink=hear, on_defect=_Defects(out), ready=ready)


def _with(settings: Settings, given: dict[str, Any]) -> Settings:
    chosen = {name: value for name, value in given.items() if value is not None}
    if "auth" in chosen:
        chosen["auth"] = SandboxAuth(chosen["auth"])
    elif chosen.keys() & {"users", "users_file"}:
        chosen["auth"] = SandboxAuth.CHOSEN
    return replace(settings, sandbox=replace(settings.sandbox, **chosen))


def _tell(event: Event) -> None:
    sys.stderr.write(show_event(event) + "\n")


class _Refusals:
    """Tells once of a program that refuses our certificate: no mail of it can come in."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._is_told = False
        self.certificate = ""

    def __call__(self, event: Event) -> None:
        if self._is_told or not isinstance(event, ConnectionClosed):
            return
        if not event.reason.startswith(_REFUSED):
            return
        self._is_told = True
        self._out.error(
            f"{event.client or 'a program'} aborted the TLS handshake: it does not trust the "
            "certificate, so its mail cannot get in",
            f"Make it trust {self.certificate}, turn off TLS in it, or leave out --starttls.",
        )


class _Defects:
    """Tells of errors that nobody expects; the sandbox goes on."""

    def __init__(self, out: Out) -> None:
        self._out = out

    def __call__(self, where: str, error: BaseException) -> None:
        self._out.error(
            f"{where}: {type(error).__name__}: {error}", "This is a defect of pillarbox."
        )
        sys.stderr.write("".join(traceback.format_exception(error)))
