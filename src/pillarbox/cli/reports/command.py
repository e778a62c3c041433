"""``pillarbox reports``: what others report about our domains, from files or as received."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import click

from pillarbox.cli.access import reach
from pillarbox.cli.check.output import Progress
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.dns import dns_options, open_resolver
from pillarbox.cli.output import Out, plural, safe
from pillarbox.cli.reports.digest import (
    dmarc_object,
    print_blamed,
    print_dmarc,
    print_tls,
    tls_object,
)
from pillarbox.cli.reports.listing import print_each, print_list
from pillarbox.clock import SystemClock
from pillarbox.control import protocol as p
from pillarbox.findings import Level
from pillarbox.mailauth.dmarc_report import Report
from pillarbox.mailauth.evidence import Evidence, RecordingResolver
from pillarbox.policy.networks import Network
from pillarbox.reports.digest.dmarc_digest import DmarcDigest, digest_dmarc
from pillarbox.reports.digest.gathering import Gathered, gather
from pillarbox.reports.digest.host_names import confirmed_names
from pillarbox.reports.digest.page import render_dmarc, render_tls
from pillarbox.reports.digest.tls_digest import TlsDigest, digest_tls
from pillarbox.reports.received import ReceivedReport, summarize_dmarc, summarize_tls
from pillarbox.reports.shelf import RECEIVED, newest_first

__all__ = ["reports"]

_MOST_REFUSED: Final = 5  # files that are named
_NOBODY: Final[tuple[dict[str, str], list[Evidence]]] = ({}, [])  # was asked for names


Digest = TypeVar("Digest", DmarcDigest, TlsDigest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the options of both commands say."""

    paths: tuple[Path, ...]
    is_received: bool
    domain: str
    is_failed: bool
    is_each: bool
    html: Path | None
    as_json: bool
    is_quiet: bool


@dataclass(frozen=True, slots=True)
class _Forms(Generic[Digest]):
    """How a digest is written."""

    page: Callable[..., str]
    object: Callable[[Digest], dict[str, Any]]
    print: Callable[[Out, Digest], None]


def _report_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that both have, as ``wish``."""
    options = (
        click.argument(
            "paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="PATH..."
        ),
        click.option("--received", is_flag=True, help="Those that the node was sent and has kept."),
        click.option("--domain", default="", help="Only those about this domain."),
        click.option("--each", is_flag=True, help="Each report by itself instead of all as one."),
        click.option(
            "--failed",
            is_flag=True,
            help="With --each or --received: only those with failures.",
        ),
        click.option(
            "--html",
            type=click.Path(path_type=Path, dir_okay=False, writable=True),
            help="Write it as a page that needs nothing beside itself.",
        ),
        click.option("--json", "as_json", is_flag=True, help="A JSON object a line."),
        click.option("--quiet", "-q", is_flag=True, help="Only what is wrong, a line for each."),
    )

    @functools.wraps(command)
    def run(*arguments: Any, **given: Any) -> None:
        wish = _Wish(
            paths=given.pop("paths"),
            is_received=given.pop("received"),
            domain=given.pop("domain").lower().rstrip("."),
            is_failed=given.pop("failed"),
            is_each=given.pop("each"),
            html=given.pop("html"),
            as_json=given.pop("as_json"),
            is_quiet=given.pop("quiet"),
        )
        command(*arguments, wish=wish, **given)

    wanted: Callable[..., None] = run
    for option in reversed(options):
        wanted = option(wanted)
    return wanted


@click.group()
def reports() -> None:
    """Look at reports about our domains: DMARC (who sends as us) and TLS (who can reach us)."""


@reports.command("dmarc", short_help="Say who sends as you, and what p=reject would cost.")
@_report_options
@click.option("--own", multiple=True, metavar="NETWORK", help="A network of your own servers.")
@click.option("--offline", is_flag=True, help="Ask nobody for the names of addresses.")
@dns_options
@click.option("--verbose", "-v", is_flag=True, help="Also each DNS answer.")
@pass_context
def dmarc(
    context: Context,
    wish: _Wish,
    own: tuple[str, ...],
    offline: bool,  # noqa: FBT001 - click
    zone: Path | None,
    servers: tuple[str, ...],
    verbose: bool,  # noqa: FBT001 - click
) -> None:
    """Read DMARC aggregate reports as one: who sends as you, what p=reject would cost.

    PATH is a report (XML, gzip, zip), a mail or an mbox with reports, or a folder of them, a
    Maildir too. Exits with 1 if there is something to put right, if there is no report, or one
    that cannot be read.

    \b
      pillarbox reports dmarc ~/Maildir/.dmarc --html reports.html
      pillarbox reports dmarc report.xml.gz --own 192.0.2.0/24
    """  # noqa: D301 - click's mark: do not wrap
    if _shows_single(context, wish, "dmarc"):
        return
    networks = _networks(own)
    gathered = gather(wish.paths)
    wanted = [one for one in gathered.dmarc if wish.domain in {"", one.policy.domain}]
    names, asked = _NOBODY
    with context.errors():
        if not offline:
            is_silent = wish.as_json or wish.is_quiet
            names, asked = asyncio.run(_names(wanted, zone, servers, is_silent=is_silent))
    digests = digest_dmarc(wanted, names, networks)
    _show(context.out, wish, digests, _Forms(render_dmarc, dmarc_object, print_dmarc))
    for answer in asked if verbose else ():
        context.out.say(safe(str(answer)), style="quiet")
    _end(context.out, gathered, "dmarc", found=len(wanted))
    _judge(digests)


@reports.command("tls", short_help="Say who could not reach you with TLS, and why.")
@_report_options
@pass_context
def tls(context: Context, wish: _Wish) -> None:
    """Read TLS reports (RFC 8460) as one: who could not reach you with TLS, and why.

    PATH is a report (JSON, gzip), a mail or an mbox with reports, or a folder of them. Exits
    with 1 if there is something to put right, if there is no report, or one that cannot be read.
    """
    if _shows_single(context, wish, "tls"):
        return
    gathered = gather(wish.paths)
    digests = [one for one in digest_tls(gathered.tls) if wish.domain in {"", one.domain}]
    _show(context.out, wish, digests, _Forms(render_tls, tls_object, print_tls))
    _end(context.out, gathered, "tls", found=len(digests))
    _judge(digests)


# --- single reports ------------------------------------------------------------------


def _shows_single(context: Context, wish: _Wish, kind: str) -> bool:
    """Show reports one by one where that is wished; return whether it was.

    Raises:
        click.UsageError: The options do not go together.
    """
    if bool(wish.paths) == wish.is_received:
        raise click.UsageError("Name files or folders, or say --received.")
    if not (wish.is_each or wish.is_received):
        if wish.is_failed:
            raise click.UsageError("--failed goes with --each or --received.")
        return False
    if wish.html is not None:
        raise click.UsageError("--html shows all reports as one: leave out --each and --received.")
    gathered = Gathered()
    if wish.is_received:
        found = _received(context, kind)
    else:
        gathered = gather(wish.paths)
        dmarc = [summarize_dmarc(report, ()) for report in gathered.dmarc]
        found = dmarc if kind == "dmarc" else [summarize_tls(report) for report in gathered.tls]
    wanted = [
        report
        for report in found
        if (not wish.domain or wish.domain in report.domain.lower().split(", "))
        and (report.failed or not wish.is_failed)
    ]
    if wish.as_json:
        for report in wanted:
            context.out.json(report)
    else:
        (print_list if wish.is_received else print_each)(context.out, wanted)
    _end(context.out, gathered, kind, found=len(wanted))
    return True


def _received(context: Context, kind: str) -> list[ReceivedReport]:
    with context.errors(), reach(context.load()) as access:
        rows = access.run(p.ListNotes(kind=RECEIVED, prefix=f"{kind}/"))
        return newest_first(bytes(row.value) for row in rows if isinstance(row, p.NoteRow))


# --- what both do --------------------------------------------------------------------


def _networks(texts: tuple[str, ...]) -> list[Network]:
    try:
        return [ip_network(text, strict=False) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--own") from None


async def _names(
    found: list[Report], zone: Path | None, servers: tuple[str, ...], *, is_silent: bool
) -> tuple[dict[str, str], list[Evidence]]:
    """Return the names of source addresses, and what DNS answered."""
    counts: dict[str, int] = {}
    for report in found:
        for row in report.rows:
            counts[row.source_ip] = counts.get(row.source_ip, 0) + row.count
    addresses = sorted(counts, key=lambda address: -counts[address])
    resolver = RecordingResolver(open_resolver(zone, servers), asyncio.get_running_loop().time)
    with Progress(is_silent=is_silent) as progress:
        progress.done(f"asking for the names of {plural(len(addresses), 'address')}")
        return await confirmed_names(addresses, resolver), resolver.evidence


def _show(out: Out, wish: _Wish, digests: Sequence[Digest], forms: _Forms[Digest]) -> None:
    """Write digests as it is wished."""
    if wish.html is not None and digests:
        _write(out, wish.html, forms.page(digests, made_at=SystemClock().now()))
    for digest in digests:
        if wish.as_json:
            out.json(forms.object(digest))
        elif wish.is_quiet:
            print_blamed(out, digest)
        elif wish.html is None:
            forms.print(out, digest)


def _write(out: Out, path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8")
    out.say(f"Written to {path}.")


def _judge(digests: Iterable[DmarcDigest | TlsDigest]) -> None:
    """End with 1 if there is something to put right."""
    if any(one.level >= Level.WARNING for digest in digests for one in digest.findings):
        raise click.exceptions.Exit(FAILED)


def _end(out: Out, gathered: Gathered, kind: str, *, found: int) -> None:
    """Say what was passed over, and end with 1 if something was, or nothing found."""
    if gathered.doubles:
        out.say(f"{plural(gathered.doubles, 'report')} came twice and counted once.")
    if gathered.strangers:
        out.say(f"{plural(gathered.strangers, 'file')} with something else passed over.")
    for where, why in gathered.refused[:_MOST_REFUSED]:
        out.error(f"{safe(where)}: {safe(why)}")
    left_out = len(gathered.refused) - _MOST_REFUSED
    if left_out > 0:
        out.error(f"{plural(left_out, 'more file')} could not be read")
    if not found:
        others = len(gathered.tls if kind == "dmarc" else gathered.dmarc)
        other = "tls" if kind == "dmarc" else "dmarc"
        hint = f", but {plural(others, 'report')} for `pillarbox reports {other}`" if others else ""
        out.say(f"There is no {kind.upper()} report to show{hint}.")
    if gathered.refused or not found:
        raise click.exceptions.Exit(FAILED)
