"""``pillarbox check domain``: a domain as receivers see it, with a score and records to publish."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

import click

from pillarbox.authenticity.logo import PublicLogos
from pillarbox.checkup.facts.smtp import Probe, Target
from pillarbox.checkup.probes.domain import (
    AskAlias,
    AskCaa,
    Dial,
    DomainQuestion,
    Extras,
    FetchPolicy,
    ask_domain,
)
from pillarbox.checkup.probes.smtp import Patience, ProbeOptions, probe
from pillarbox.checkup.publishing import FORMATS
from pillarbox.checkup.remark import BLAMED, Area, Status
from pillarbox.checkup.rules.domain import DomainReport, judge_domain
from pillarbox.checkup.rules.spf_limit import Service
from pillarbox.checkup.signatures.signers import signers_of
from pillarbox.checkup.time_limit import TimeLimit
from pillarbox.cli.check.domain_output import domain_object, print_domain
from pillarbox.cli.check.options import CheckOptions, check_options, end_early, run_check
from pillarbox.cli.check.output import Progress
from pillarbox.cli.context import FAILED, TEMPORARY, Context, pass_context
from pillarbox.cli.dns import open_network, open_zone
from pillarbox.clock import SystemClock
from pillarbox.deliver.sts import policy_fetcher
from pillarbox.dns.cache import CachingResolver
from pillarbox.mailauth.evidence import Evidence, RecordingResolver
from pillarbox.mailauth.resolver import Answer, CaaRecord, Resolver
from pillarbox.net.https import Fetched
from pillarbox.net.tls import TlsContexts
from pillarbox.reports.digest.senders import known_sender
from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.domain import is_domain

__all__ = ["domain"]

_DNS_PATIENCE: Final = 2.0  # seconds for each of three tries
_SMTP_PORT: Final = 25
_ESSENTIAL: Final = frozenset({Area.RECEIVING, Area.SPF, Area.DMARC})
_DIALING: Final = Patience(connect=4.0, greeting=6.5, reply=4.0, tls=4.0, total=9.0)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Who is asked."""

    resolver: Resolver
    aliases: AskAlias
    fetch: FetchPolicy | None
    dial: Dial | None
    caa: AskCaa
    extras: Extras


class _Asked(NamedTuple):
    """What came of the asking."""

    report: DomainReport
    answers: tuple[Evidence, ...]  # of DNS
    seconds: float


@click.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--selector", "-s", "selectors", multiple=True, help="A DKIM selector to check.")
@click.option(
    "--message",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take the selectors from this message's signatures.",
)
@click.option(
    "--ip",
    "addresses",
    multiple=True,
    metavar="ADDRESS",
    help="An IP address that sends mail for the domain.",
)
@click.option(
    "--sts-policy",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Use this file as the MTA-STS policy, instead of fetching it.",
)
@click.option(
    "--logo",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Use this file as the BIMI logo, instead of fetching it.",
)
@click.option(
    "--records",
    "form",
    type=click.Choice(list(FORMATS)),
    default="bind",
    show_default=True,
    help="Format of the records to publish.",
)
@click.option(
    "--connect/--no-connect",
    default=True,
    show_default=True,
    help="Connect to the exchangers on port 25 to see their certificates; never with --zone.",
)
@click.option(
    "--lists/--no-lists",
    default=True,
    show_default=True,
    help="Ask block lists about the domain and its sending addresses, a few questions each.",
)
@check_options(12.0, "Also show what is fine, and each DNS answer.")
@pass_context
def domain(
    context: Context,
    name: str,
    selectors: tuple[str, ...],
    message: Path | None,
    addresses: tuple[str, ...],
    sts_policy: Path | None,
    logo: Path | None,
    form: str,
    connect: bool,  # noqa: FBT001 - click
    lists: bool,  # noqa: FBT001 - click
    asked: CheckOptions,
) -> None:
    """Say what receivers make of DOMAIN: MX, SPF, DKIM, DMARC, MTA-STS, DANE, reverse DNS.

    Exits with 1 if there is something to put right, with 75 if DNS did not answer, otherwise
    with 0. What could not be tested never counts as failed. Ends within 15 seconds.

    \b
      pillarbox check domain example.org --selector s1
      pillarbox check domain example.org --zone new.zone   what if I publish this
    """  # noqa: D301 - click's mark: do not wrap
    question = _question(name, selectors, addresses)
    if message is not None:
        question = replace(question, signers=signers_of(message.read_bytes()))
    given = _Given(
        policy=_given_policy(sts_policy) if sts_policy is not None else None,
        logo=_GivenLogo(logo.read_bytes()) if logo is not None else None,
        is_dialing=connect,
        asks_lists=lists,
    )
    with context.errors():
        sources = _sources(asked, given)

    async def ask(limit: TimeLimit) -> _Asked:
        with Progress(is_silent=asked.is_silent) as progress:
            return await _ask(question, sources, limit, progress)

    (report, answers, seconds), was_stopped = run_check(context, asked, ask)
    shown = answers if asked.is_verbose else ()
    if asked.as_json:
        context.out.json(domain_object(report, shown))
    else:
        print_domain(
            context.out,
            report,
            form=form,
            seconds=seconds,
            asked=shown,
            level=asked.level,
        )
    end_early(context.out, was_stopped=was_stopped)
    _exit(report)


def _exit(report: DomainReport) -> None:
    statuses = {remark.status for remark in report.remarks}
    if statuses & BLAMED:
        raise click.exceptions.Exit(FAILED)
    if any(one.status is Status.SKIP and one.area in _ESSENTIAL for one in report.remarks):
        raise click.exceptions.Exit(TEMPORARY)


def _question(name: str, selectors: tuple[str, ...], addresses: tuple[str, ...]) -> DomainQuestion:
    """Return what is asked.

    Raises:
        click.UsageError: It is not what it should be.
    """
    wanted = ascii_domain(name.rpartition("@")[2].rstrip("."))
    if wanted.rpartition(".")[2].isdigit():  # no top-level domain is (RFC 1123 §2.1)
        problem = f"{name!a} is an IP address: use `pillarbox check smtp` for it"
        raise click.BadParameter(problem, param_hint="DOMAIN")
    if not is_domain(wanted) or "." not in wanted:
        raise click.BadParameter(f"{name!a} is no domain name", param_hint="DOMAIN")
    for selector in selectors:
        if not is_domain(selector):
            raise click.BadParameter(f"{selector!a} is no selector", param_hint="--selector")
    for address in addresses:
        try:
            ip_address(address)
        except ValueError:
            raise click.BadParameter(f"{address!a} is no IP address", param_hint="--ip") from None
    return DomainQuestion(
        domain=wanted.lower(),
        selectors=selectors,
        addresses=addresses,
        now=SystemClock().now(),
    )


@dataclass(frozen=True, slots=True)
class _GivenLogo:
    """A logo that was given, whatever the record names."""

    octets: bytes

    async def fetch(self, url: str, *, max_size: int) -> bytes:
        """Return it."""
        del url
        return self.octets[: max_size + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What the command line gives instead of what would be asked for."""

    policy: FetchPolicy | None
    logo: _GivenLogo | None
    is_dialing: bool
    asks_lists: bool


def _sources(asked: CheckOptions, given: _Given) -> _Sources:
    """Return who is asked.

    Raises:
        click.BadParameter: The zone file cannot be read, or a server is no address.
    """
    if asked.zone is not None:
        published = open_zone(asked.zone)
        # Lists are not in a zone of one's own, unless somebody has put them there to try.
        extras = Extras(logos=given.logo)
        return _Sources(published, published.cname, given.policy, None, published.caa, extras)
    # What the resolver says of DNSSEC is shown as its word, and nothing is decided by it.
    network = open_network(asked.servers, timeout=_DNS_PATIENCE, trust_ad=True)
    cached = CachingResolver(network, SystemClock())
    tls = TlsContexts()
    extras = Extras(
        logos=given.logo or PublicLogos(cached, tls.verified),
        asks_lists=given.asks_lists,
    )
    fetch = given.policy or policy_fetcher(cached, tls.verified)
    dial = _dial if given.is_dialing else None
    return _Sources(cached, network.cname, fetch, dial, network.caa, extras)


def _given_policy(file: Path) -> FetchPolicy:
    page = Fetched(200, "text/plain", file.read_bytes())

    async def read(domain: str) -> Fetched:
        del domain
        return page

    return read


async def _dial(host: str, address: str) -> Probe:
    return await probe(Target(host, address, _SMTP_PORT), ProbeOptions(patience=_DIALING))


async def _ask(
    question: DomainQuestion, sources: _Sources, limit: TimeLimit, progress: Progress
) -> _Asked:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    recorded = RecordingResolver(sources.resolver, loop.time)

    async def alias(name: str) -> Answer[str]:
        return await recorded.recorded(sources.aliases(name))

    async def caa(name: str) -> Answer[CaaRecord]:
        return await recorded.recorded(sources.caa(name))

    extras = replace(sources.extras, caa=caa)
    facts = await ask_domain(
        question,
        recorded,
        alias,
        sources.fetch,
        dial=sources.dial,
        extras=extras,
        limit=limit,
        on_done=progress.done,
    )
    report = judge_domain(facts, includer=_includer)
    return _Asked(report, tuple(recorded.evidence), loop.time() - begin)


def _includer(name: str) -> Service | None:
    """Return whose include a name is."""
    found = known_sender([name])
    return Service(found.name, found.kind, found.how, found.include) if found is not None else None
