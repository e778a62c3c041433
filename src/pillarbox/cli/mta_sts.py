"""``pillarbox mta-sts``: our MTA-STS policies, their records, and whether others see them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.dns import dns_options, open_resolver
from pillarbox.cli.output import Out, finding_object
from pillarbox.config.settings import Settings
from pillarbox.deliver.sts import policy_fetcher
from pillarbox.errors import PermanentError
from pillarbox.findings import Finding, Level
from pillarbox.mailauth.mta_sts import (
    Policy,
    StsError,
    StsRecord,
    parse_policy,
    parse_record,
    policy_host,
    policy_url,
    record_name,
)
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.net.https import FetchFailed
from pillarbox.net.tls import TlsContexts
from pillarbox.node.policy_pages import own_policy, own_record

__all__ = ["mta_sts"]


@click.command("mta-sts")
@click.argument("domain", required=False)
@click.option("--check", is_flag=True, help="Verify that others see it: query DNS, and fetch it.")
@click.option("--private", is_flag=True, help="With --check: fetch from a private address, too.")
@dns_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per domain.")
@pass_context
def mta_sts(
    context: Context,
    domain: str | None,
    check: bool,  # noqa: FBT001 - click
    private: bool,  # noqa: FBT001 - click
    zone: Path | None,
    servers: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Print the policy of DOMAIN (default: of all) and the records to publish.

    Exits with 1 if --check finds that others do not see it so.
    """
    with context.errors():
        settings = context.load().settings
        resolver = open_resolver(zone, servers) if check else None
        worst = Level.OK
        for name in _domains(settings, domain):
            policy = own_policy(settings.sts_domain[name], _hostname(settings))
            findings: list[Finding] = []
            if resolver is not None:
                findings = asyncio.run(_check(name, policy, resolver, settings, private=private))
            worst = max([worst, *(finding.level for finding in findings)])
            if as_json:
                context.out.json(_object(name, policy, findings))
            else:
                _print(context.out, name, policy, findings)
    if worst >= Level.WARNING:
        raise click.exceptions.Exit(FAILED)


def _domains(settings: Settings, domain: str | None) -> list[str]:
    if domain is None and settings.sts_domain:
        return list(settings.sts_domain)
    if domain in settings.sts_domain:
        return [domain]
    raise PermanentError(
        f'there is no [sts_domain."{domain or "example.org"}"] in the configuration'
    )


def _hostname(settings: Settings) -> str:
    return settings.node.hostname or socket.getfqdn()


def _records(domain: str, policy: Policy, host: str) -> Iterator[str]:
    yield f'{record_name(domain)}. TXT "{own_record(policy)}"'
    yield f"{policy_host(domain)}. CNAME {host}.  ; or the addresses of where it is shown"


def _print(out: Out, domain: str, policy: Policy, findings: list[Finding]) -> None:
    out.line(Text.assemble(("; shown at ", "quiet"), policy_url(domain)))
    for line in policy.lines:
        out.line(Text(f";   {line}", style="quiet"))
    for record in _records(domain, policy, policy.mx[0]):
        out.line(record)
    out.findings(findings)


def _object(domain: str, policy: Policy, findings: list[Finding]) -> dict[str, Any]:
    return {
        "domain": domain,
        "url": policy_url(domain),
        "policy": list(policy.lines),
        "name": record_name(domain),
        "record": str(own_record(policy)),
        "findings": [finding_object(finding) for finding in findings],
    }


async def _check(
    domain: str, policy: Policy, resolver: Resolver, settings: Settings, *, private: bool
) -> list[Finding]:
    """See what others see: the record, the page, and the hosts of the MX records."""
    return [
        await _check_record(domain, own_record(policy), resolver),
        await _check_page(domain, policy, resolver, settings, private=private),
        await _check_hosts(domain, policy, resolver),
    ]


async def _check_record(domain: str, wanted: StsRecord, resolver: Resolver) -> Finding:
    name = record_name(domain)
    answer = await resolver.txt(name)
    try:
        found = parse_record(answer.records)
    except StsError as error:
        return _wrong(1, f"{name} cannot be read: {error}", f'Publish "{wanted}".')
    if found is None:
        why = answer.reason or answer.outcome.value
        return _wrong(1, f"There is no record at {name} ({why})", f'Publish "{wanted}".')
    if found.id != wanted.id:
        return _wrong(
            2,
            f"{name} has the id {found.id}, which is not that of the policy",
            f'Publish "{wanted}", so that others fetch the policy anew.',
        )
    return Finding(level=Level.OK, code="PB-STS-000", what=f"{name} names the policy")


async def _check_page(
    domain: str, policy: Policy, resolver: Resolver, settings: Settings, *, private: bool
) -> Finding:
    contexts, url = TlsContexts(), policy_url(domain)
    fetch = policy_fetcher(
        resolver,
        lambda: contexts.verified(settings.delivery.tls_ca),
        allow_private=lambda: private or settings.delivery.sts_allow_private,
    )
    try:
        page = await fetch(domain)
        seen = parse_policy(page.body)
    except (FetchFailed, StsError) as error:
        fix = f"Have the node reached as {policy_host(domain)} with a certificate for that name."
        return _wrong(3, f"{url} cannot be had: {error}", fix)
    if seen != policy:
        fix = "Reload the node, or look who else shows a page there."
        return _wrong(4, f"{url} shows another policy", fix)
    return Finding(level=Level.OK, code="PB-STS-000", what=f"{url} shows the policy")


async def _check_hosts(domain: str, policy: Policy, resolver: Resolver) -> Finding:
    answer = await resolver.mx(domain)
    if answer.outcome is not Outcome.FOUND:
        why = answer.reason or answer.outcome.value
        return _wrong(5, f"{domain} has no MX records ({why})", "Publish them.")
    strangers = [record.host for record in answer.records if not policy.matches(record.host)]
    if strangers:
        return _wrong(
            5,
            f"The policy does not name {', '.join(strangers)}, to which the MX records lead",
            f'Name it in sts_domain."{domain}".mx, or others will not deliver there.',
        )
    return Finding(level=Level.OK, code="PB-STS-000", what="All MX records are in the policy")


def _wrong(number: int, what: str, fix: str) -> Finding:
    return Finding(
        level=Level.WARNING,
        code=f"PB-STS-{number:03}",
        what=what,
        why="Others go by what they see, and not by what is configured here (RFC 8461 §3).",
        fix=fix,
    )
