"""``pillarbox dns``: the DNS records that a mail domain needs."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Any

import click
from rich.table import Column
from rich.text import Text

from pillarbox.checkup.new_domain import NewDomain, Planned, policy_of, records_of
from pillarbox.checkup.publishing import FORM_NAMES, FORMATS, written
from pillarbox.checkup.remark import Publish
from pillarbox.cli.check.target import read_host
from pillarbox.cli.context import Context, pass_context
from pillarbox.cli.dkim.keys import Keys
from pillarbox.cli.output import safe
from pillarbox.config.loader import find_file
from pillarbox.errors import PermanentError
from pillarbox.keyring.publication import publication
from pillarbox.mailauth.mta_sts import policy_url
from pillarbox.reports.digest.senders import known_sender

__all__ = ["dns"]


@click.group()
def dns() -> None:
    """Write what a domain needs in DNS for mail."""


@dns.command(short_help="Write the records that DOMAIN needs, ready to paste.")
@click.argument("domain")
@click.option("--host", metavar="NAME", help="The mail server's name; otherwise mail.DOMAIN.")
@click.option("--ip", "addresses", multiple=True, metavar="ADDRESS", help="An address of it.")
@click.option(
    "--mx",
    "exchangers",
    multiple=True,
    metavar="HOST",
    help="Who takes the mail, the first before the others; otherwise the mail server.",
)
@click.option(
    "--include",
    "includes",
    multiple=True,
    metavar="NAME",
    help="A provider that sends for the domain: what SPF includes, or a domain of it.",
)
@click.option("--reports", metavar="ADDRESS", help="Who gets reports; otherwise postmaster@DOMAIN.")
@click.option(
    "--authority",
    metavar="NAME",
    default="letsencrypt.org",
    show_default=True,
    help='Who may issue certificates (CAA); "" for anybody.',
)
@click.option("--no-mail", is_flag=True, help="The domain neither sends nor takes mail.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="bind",
    show_default=True,
    help="For whom the records are written.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="The records alone.")
@pass_context
def records(
    context: Context,
    domain: str,
    host: str | None,
    addresses: tuple[str, ...],
    exchangers: tuple[str, ...],
    includes: tuple[str, ...],
    reports: str | None,
    authority: str,
    no_mail: bool,  # noqa: FBT001 - click
    form: str,
    as_json: bool,  # noqa: FBT001 - click
    quiet: bool,  # noqa: FBT001 - click
) -> None:
    """Write the records that DOMAIN needs, ready to paste, each with its reason.

    MX, SPF, DKIM (the keys of the configuration, if it has some), DMARC, TLS-RPT, MTA-STS and
    CAA; a domain that sends begins with reports and tests. Try them with `check domain`.

    \b
      pillarbox dns records example.org --ip 192.0.2.25
      pillarbox dns records example.org --mx mx.provider.example --include sendgrid.net
      pillarbox dns records parked.example --no-mail --format terraform
    """  # noqa: D301 - click's mark: do not wrap
    plan = NewDomain(
        domain=read_host(domain),
        host=read_host(host) if host else "",
        addresses=tuple(map(_address, addresses)),
        exchangers=tuple(map(read_host, exchangers)),
        includes=tuple(map(_include, includes)),
        keys=() if no_mail else _keys(context, domain),
        reports=reports or "",
        authority=authority,
        has_mail=not no_mail,
    )
    planned = records_of(plan)
    if as_json:
        context.out.json(_object(plan, planned))
        return
    text = written([one.publish for one in planned], form, zone=plan.domain)
    if quiet:
        context.out.raw(f"{text}\n")
        return
    _print(context, plan, planned, form, text)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise click.BadParameter(f"{text!a} is no IP address", param_hint="--ip") from None


def _include(name: str) -> str:
    """Return what SPF includes: of a known provider its own, otherwise the name as it is."""
    wanted = read_host(name)
    known = known_sender([wanted])
    return known.include if known is not None and known.include else wanted


def _keys(context: Context, domain: str) -> tuple[Publish, ...]:
    """Return the records of the keys that the configuration has for a domain, if there is one."""
    if find_file(context.config, os.environ) is None:
        return ()
    with context.errors():
        keys = Keys.of(context.load())
        try:
            found = keys.of_domain(domain)
        except PermanentError:
            return ()
    records = (publication(key, keys.delegate(key)) for key in found)
    return tuple(
        Publish(one.name, "CNAME", f"{one.target}.")
        if one.target
        else Publish(one.name, "TXT", one.value)
        for one in records
    )


def _print(
    context: Context, plan: NewDomain, planned: tuple[Planned, ...], form: str, text: str
) -> None:
    out = context.out
    out.line(Text.assemble((plan.domain, "strong"), ("   what it needs in DNS for mail", "quiet")))
    out.line()
    labels = [(one.publish.type, one.publish.name, one.why) for one in planned]
    columns = (
        Column("  type", no_wrap=True),
        Column("name", overflow="fold"),
        Column("what for", style="quiet", overflow="fold"),
    )
    rows = ((f"  {kind}", safe(name), why) for kind, name, why in dict.fromkeys(labels))
    out.table(columns, rows)
    out.line()
    out.line(Text(f"records to publish ({FORM_NAMES[form]})", "quiet"))
    for line in text.splitlines():
        out.line(f"  {line}")
    if plan.has_mail:
        out.line()
        out.line(Text(f"the page at {policy_url(plan.domain)}, as text/plain", "quiet"))
        for line in policy_of(plan).lines:
            out.line(f"  {line}")
        _print_rest(context, plan)


def _print_rest(context: Context, plan: NewDomain) -> None:
    """Say what else is to be done."""
    rest = []
    if not plan.keys:
        rest.append(
            f"DKIM: `pillarbox dkim new {plan.domain}` makes keys; a provider gives you its own"
        )
    if plan.addresses:
        rest.append("PTR: whoever gives you the address sets it, not your zone")
    else:
        rest.append("addresses: with --ip, the server's own records and the PTR are written too")
    rest.append(f"then: pillarbox check domain {plan.domain}")
    context.out.line()
    for line in rest:
        context.out.line(Text(f"  {line}", "quiet"))


def _object(plan: NewDomain, planned: tuple[Planned, ...]) -> dict[str, Any]:
    return {
        "domain": plan.domain,
        "records": [
            {
                "name": one.publish.name,
                "type": one.publish.type,
                "value": one.publish.value,
                "why": one.why,
            }
            for one in planned
        ],
        "policy": {"url": policy_url(plan.domain), "text": str(policy_of(plan))}
        if plan.has_mail
        else None,
    }
