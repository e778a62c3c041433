"""``pillarbox check message``: a message as its readers and receivers see it, with a score."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click
import msgspec

from pillarbox.checkup.probes.forwarding import Forwarding, find_forwarding
from pillarbox.checkup.signatures.damage import Damage, explain_damage
from pillarbox.checkup.time_limit import NOT_WAITED_FOR, LimitedResolver, TimeLimit
from pillarbox.cli.check.message_output import Report, message_object, print_message
from pillarbox.cli.check.options import CheckOptions, check_options, end_early, run_check
from pillarbox.cli.check.output import Progress
from pillarbox.cli.context import FAILED, TEMPORARY, Context, pass_context
from pillarbox.clock import SystemClock
from pillarbox.dns.cache import CachingResolver
from pillarbox.errors import PermanentError
from pillarbox.findings import Level
from pillarbox.mailauth.evidence import RecordingResolver
from pillarbox.mailauth.resolver import Resolver
from pillarbox.mailauth.verification import Client
from pillarbox.message.header import Header
from pillarbox.message.mail import Mail, read_mail
from pillarbox.net.guarded import GuardedClient
from pillarbox.net.https import FetchFailed, Request, exchange
from pillarbox.net.tls import TlsContexts
from pillarbox.preflight import AuthenticationFacts, Facts, MethodFact, assess, web_links
from pillarbox.preflight.facts import LinkAnswer
from pillarbox.preflight.route import Hop, client_of, read_route
from pillarbox.sandbox.filters import ContentFilter, Envelope, ask_filters, content_filters
from pillarbox.sandbox.link_answers import ask_links
from pillarbox.sandbox.verdicts import verify_content
from pillarbox.smtp.address import ReversePath
from pillarbox.smtp.path import parse_mailbox
from pillarbox.store.ids import parse_id

__all__ = ["message"]

_SANDBOX: Final = "http://localhost:8025"
_RAW: Final = "api/sandbox/v1/messages"
_PATIENCE: Final = 10.0  # seconds for the sandbox
_MOST: Final = 100 * 1024 * 1024  # octets of a mail
_KEY_FIX: Final = (
    "Compare the published key with the signing key, and publish the latter (pillarbox dkim dns "
    "shows pillarbox's keys)."
)
_FIX: Final = (
    "If one of your servers changed it, make that change before the mail is signed. Other "
    "people's lists and forwarders should change nothing, or put themselves in From; their ARC "
    "seal says what they saw."
)
_FORWARDED_FIX: Final = (
    "Sign with DKIM, which survives forwarding; the forwarder can rewrite the sender (SRS). Do "
    "not add the forwarder's address to the record."
)
_ADDRESS_IN_PATH: Final = re.compile(rb"<([^<>]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is looked at, and how."""

    name: str
    content: bytes
    original: bytes | None
    client: Client | None  # as the user says; None: as the mail says
    follows_links: bool
    filters: tuple[ContentFilter, ...]


@click.command()
@click.argument("source", metavar="FILE|-|ID")
@click.option(
    "--original",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The message as it was sent, to show what has changed since.",
)
@click.option("--ip", metavar="ADDRESS", help="IP address of the client that delivered it.")
@click.option("--helo", metavar="NAME", help="The name the client gave in HELO or EHLO.")
@click.option("--from", "sender", metavar="PATH", help='The reverse-path; "<>" is the null one.')
@click.option("--links", is_flag=True, help="Check its links; requests go only to public servers.")
@click.option(
    "--rspamd", metavar="URL", default="", help="Ask rspamd, such as http://localhost:11333."
)
@click.option("--spamassassin", metavar="HOST[:PORT]", default="", help="Ask spamd.")
@click.option(
    "--sandbox",
    metavar="URL",
    default=_SANDBOX,
    show_default=True,
    help="The sandbox to take an ID from.",
)
@check_options(30.0, "Also show what is fine, and each DNS answer.")
@pass_context
def message(
    context: Context,
    source: str,
    original: Path | None,
    ip: str | None,
    helo: str | None,
    sender: str | None,
    links: bool,  # noqa: FBT001 - click
    rspamd: str,
    spamassassin: str,
    sandbox: str,
    asked: CheckOptions,
) -> None:
    """Say what readers and receivers make of a mail: its way, who sent it, what is in it.

    The mail is a file, - for standard input, or the id of one in a running sandbox. Who brought
    it is read from its Received and Return-Path fields, if you do not say. With --original, what
    was changed on the way is shown. Exits with 1 if there is something to put right, with 75 if
    there is not, but DNS did not answer.

    \b
      pillarbox check message mail.eml
      pillarbox check message received.eml --original sent.eml
      pillarbox check message 06t9qxv1m2k4c
    """  # noqa: D301 - click's mark: do not wrap
    client = _client(ip, helo, sender)
    with context.errors():
        wanted = _Wanted(
            name=source,
            content=_read(source, sandbox),
            original=_crlf(original.read_bytes()) if original else None,
            client=client,
            follows_links=links,
            filters=content_filters(rspamd=rspamd, spamassassin=spamassassin),
        )

    async def ask(limit: TimeLimit) -> Report:
        with Progress(is_silent=asked.is_silent) as progress:
            return await _examine(wanted, asked.resolver(), limit, progress)

    report, was_stopped = run_check(context, asked, ask)
    if asked.as_json:
        context.out.json(message_object(report, with_dns=asked.is_verbose))
    else:
        print_message(context.out, report, level=asked.level)
        if wanted.original is not None and not (report.damages or asked.is_silent):
            context.out.say("--original: nothing was compared, as no signature is broken")
    end_early(context.out, was_stopped=was_stopped)
    if report.assessment.worst >= Level.WARNING:
        raise click.exceptions.Exit(FAILED)
    if any(one.result == "temperror" for one in report.assessment.authentication or ()):
        raise click.exceptions.Exit(TEMPORARY)


async def _examine(
    wanted: _Wanted, asked: Resolver, limit: TimeLimit, progress: Progress
) -> Report:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    answering = LimitedResolver(CachingResolver(asked, SystemClock()), limit)
    resolver = RecordingResolver(answering, loop.time)
    mail = read_mail(wanted.content)
    header = mail.tree.header
    hops = read_route(header)
    client, is_guessed = wanted.client, False
    if client is None:
        client, is_guessed = _client_of(header, hops), True
    authentication, damages = await _authenticate(wanted, client, hops, resolver)
    progress.done("authentication")
    answers = spam = None
    if wanted.follows_links:
        urls = web_links(mail)
        guarded = GuardedClient(resolver, TlsContexts().verified)
        answers = await limit.result(ask_links(urls, guarded))
        if answers is None:
            answers = tuple(LinkAnswer(url=url, problem=NOT_WAITED_FOR) for url in urls)
        progress.done("links")
    if wanted.filters:
        envelope = _envelope(mail, client)
        spam = await limit.result(ask_filters(wanted.filters, wanted.content, envelope))
        progress.done("filters")
    facts = Facts(authentication=authentication, links=answers, spam=spam)
    return Report(
        name=wanted.name,
        mail=mail,
        hops=hops,
        client=client,
        is_client_guessed=is_guessed,
        damages=damages,
        assessment=assess(mail, wanted.content, facts),
        asked=tuple(resolver.evidence),
        seconds=loop.time() - begin,
    )


async def _authenticate(
    wanted: _Wanted, client: Client, hops: tuple[Hop, ...], resolver: RecordingResolver
) -> tuple[AuthenticationFacts | None, tuple[Damage, ...]]:
    """Verify a mail, and say of what fails how it came to that."""
    # What has not been on the internet has not been sent: a signature may be to come.
    is_draft = not client.address and all(hop.is_local for hop in hops)
    facts = await verify_content(
        wanted.content, client, resolver, now=SystemClock().now(), is_local=is_draft
    )
    if facts is None:
        return None, ()
    damages = await explain_damage(wanted.content, hops, resolver, original=wanted.original)
    methods = [_with_damage(fact, damages) for fact in facts.methods]
    if any(_is_refused(fact) for fact in methods):
        found = await find_forwarding(hops, client, resolver)
        methods = [_with_forwarding(fact, found) for fact in methods]
    return msgspec.structs.replace(facts, methods=tuple(methods)), damages


def _is_refused(fact: MethodFact) -> bool:
    return fact.method == "spf" and fact.result in {"fail", "softfail"}


def _with_forwarding(fact: MethodFact, found: Forwarding | None) -> MethodFact:
    if found is None or not _is_refused(fact):
        return fact
    return msgspec.structs.replace(fact, reason=found.sentence, fix=_FORWARDED_FIX)


def _with_damage(fact: MethodFact, damages: tuple[Damage, ...]) -> MethodFact:
    if fact.method != "dkim" or fact.result == "pass":
        return fact
    for damage in damages:
        if fact.subject == f"{damage.domain} ({damage.selector})":
            return msgspec.structs.replace(
                fact,
                reason=damage.sentence,
                fix=f"{_KEY_FIX} {_FIX}" if damage.may_be_another_key else _FIX,
                evidence=(*damage.differences, *fact.evidence),
            )
    return fact


def _client_of(header: Header, hops: tuple[Hop, ...]) -> Client:
    """Return who brought the mail to its receiver, as it says itself."""
    hop = client_of(hops)
    if hop is None:
        return Client()
    found = _ADDRESS_IN_PATH.search(header.get(b"return-path") or b"")
    path: ReversePath = None
    if found is not None and found[1]:
        try:
            path = parse_mailbox(found[1].decode("utf-8", "replace"))
        except PermanentError:
            path = None
    return Client(address=hop.address, helo=hop.client, reverse_path=path)


def _client(ip: str | None, helo: str | None, sender: str | None) -> Client | None:
    """Return what the user says of the session; None where nothing is said.

    Raises:
        click.UsageError: Something is not what it should be.
    """
    if ip is None:
        if helo is not None or sender is not None:
            raise click.UsageError("--helo and --from have no effect without --ip.")
        return None
    try:
        ip_address(ip)
    except ValueError:
        raise click.BadParameter(f"{ip!a} is no IP address", param_hint="--ip") from None
    path: ReversePath = None
    if sender is not None and sender.strip("<>"):
        try:
            path = parse_mailbox(sender.removeprefix("<").removesuffix(">"))
        except PermanentError as error:
            raise click.BadParameter(str(error), param_hint="--from") from None
    return Client(address=ip, helo=helo or "", reverse_path=path)


def _envelope(mail: Mail, client: Client) -> Envelope:
    author = mail.from_[0].address if mail.from_ else ""
    return Envelope(
        reverse_path=str(client.reverse_path or "") or author,
        recipients=tuple(one.address for one in (*mail.to, *mail.cc) if one.address),
        client=client.address,
    )


def _read(source: str, sandbox: str) -> bytes:
    """Return a mail with CRLF line ends.

    Raises:
        click.BadParameter: It is no file that can be read, and no id of a mail.
        PillarboxError: The sandbox does not give it.
    """
    if source == "-":
        return _crlf(sys.stdin.buffer.read())
    path = Path(source)
    try:
        if path.is_file():
            return _crlf(path.read_bytes())
        parse_id(source)
    except OSError as error:
        raise click.BadParameter(f"{source!a}: {error.strerror}") from None
    except PermanentError:
        message = f"{source!a} is no file, and no id of a mail in a sandbox"
        raise click.BadParameter(message) from None
    return _crlf(asyncio.run(_fetch(source, sandbox)))


async def _fetch(shown_id: str, sandbox: str) -> bytes:
    """Return a mail of a running sandbox.

    Raises:
        PermanentError: There is none of this id, or the address is none.
        FetchFailed: No sandbox answers there.
    """
    try:
        parts = urlsplit(sandbox)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise PermanentError(f"{sandbox!a} is no address such as {_SANDBOX}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PermanentError(f"{sandbox!a} is no address such as {_SANDBOX}")
    host, is_tls = parts.hostname, parts.scheme == "https"
    path = f"{parts.path.rstrip('/')}/{_RAW}/{shown_id}/raw"
    try:
        found = await exchange(
            Request("GET", host, path, authority=parts.netloc.rpartition("@")[2]),
            host,
            TlsContexts().verified() if is_tls else None,
            port=port,
            most=_MOST,
            patience=_PATIENCE,
        )
    except FetchFailed as error:
        raise FetchFailed(f"no sandbox answers at {sandbox}: {error}") from None
    if found.status != 200:  # noqa: PLR2004 - HTTP
        raise PermanentError(f"the sandbox at {sandbox} has no mail {shown_id} ({found.status})")
    return found.body


def _crlf(content: bytes) -> bytes:
    return re.sub(rb"\r?\n", b"\r\n", content)
