"""``pillarbox send``: sends one test message, and reports what became of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.given_secret import read_secret
from pillarbox.cli.send.message import (
    Draft,
    DraftInvalid,
    build_message,
    read_addresses,
    read_field,
)
from pillarbox.cli.send.output import Delivery, print_delivery, show_object
from pillarbox.cli.sendmail.message import (
    NotAMessage,
    header_recipients,
    message_of_input,
    without_bcc,
)
from pillarbox.clock import SystemClock
from pillarbox.config.error import ConfigError
from pillarbox.config.mail_url import MailUrl, MailUrlInvalid, parse_mail_url
from pillarbox.config.settings import TlsMode
from pillarbox.message.address_list import Address
from pillarbox.message.header import HeaderRefused
from pillarbox.net.channel import OpenFailed
from pillarbox.net.mail_client import MailClient
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.smtp.sasl.registry import MECHANISMS

__all__ = ["send"]

_VARIABLES: Final = ("EMAIL_URL", "SMTP_URL", "MAILER_DSN")
_SANDBOX: Final = "localhost:1025"
_PAGE: Final = "localhost:8025"
_NOWHERE: Final = frozenset({"console", "dummy", "memory", "null"})  # of Django and Symfony
_MODES: Final = {
    "never": TlsMode.NONE,
    "may": TlsMode.OPPORTUNISTIC,
    "require": TlsMode.STARTTLS,
    "implicit": TlsMode.IMPLICIT,
}
_MOST_INPUT: Final = 64 * 1024 * 1024  # octets
_AUTHOR: Final = "sender@example.com"
_READER: Final = "reader@example.com"
_SUBJECT: Final = "A test mail from pillarbox"
_TEXT: Final = "This is a test mail.\n\nIt was sent by `pillarbox send`; see its --help for more.\n"
_HTML: Final = (
    "<!doctype html>\n<html lang=en><title>A test mail</title>\n<p>This is a <b>test mail</b>.\n"
    "<p>It was sent by <code>pillarbox send</code>; see its <code>--help</code> for more.\n</html>\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where the mail goes."""

    server: MailUrl
    page: str = ""  # of the sandbox, where it is one
    sends: bool = True  # false where its name means that nothing is to be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """A message and its envelope."""

    envelope: Envelope
    content: bytes


@click.command()
@click.option("--to", "-t", multiple=True, metavar="ADDRESS", help="Recipient; may be repeated.")
@click.option(
    "--cc", multiple=True, metavar="ADDRESS", help="Recipient of a copy; may be repeated."
)
@click.option(
    "--bcc", multiple=True, metavar="ADDRESS", help="Recipient of a blind copy; may be repeated."
)
@click.option("--from", "-f", "author", metavar="ADDRESS", help="Author.")
@click.option(
    "--envelope-from", metavar="ADDRESS", help="Reverse-path, if not --from; <> for none."
)
@click.option("--subject", "-s", metavar="TEXT", help="Subject.")
@click.option(
    "--body",
    "--text",
    "text",
    metavar="TEXT",
    help="Text; @FILE reads a file, - standard input.",
)
@click.option("--html", metavar="HTML", help="HTML; @FILE reads a file.")
@click.option(
    "--attach",
    "-a",
    "attachments",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File to attach; may be repeated.",
)
@click.option(
    "--header",
    "-H",
    "fields",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Additional header field.",
)
@click.option(
    "--eml",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="Send this file as it is. Default recipients: those in its header.",
)
@click.option("--server", metavar="HOST[:PORT]|URL", help="Server; see below for the default.")
@click.option(
    "--tls",
    type=click.Choice(list(_MODES)),
    help="Whether to use STARTTLS, or TLS from the start.",
)
@click.option(
    "--ca-file",
    "authorities",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Trust these CAs (PEM) instead of the system's.",
)
@click.option("--any-certificate", is_flag=True, help="With STARTTLS, accept any certificate.")
@click.option("--user", "-u", metavar="NAME", help="Log in as this user.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Read the password from this file; - is standard input.",
)
@click.option(
    "--password-env", metavar="NAME", help="Read the password from this environment variable."
)
@click.option(
    "--mechanism",
    type=click.Choice(list(MECHANISMS), case_sensitive=False),
    help="Log in with this mechanism only.",
)
@click.option("--hello", metavar="NAME", help="Name in EHLO. Default: this machine's.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", help="How long to wait."
)
@click.option("--transcript", is_flag=True, help="Show each line of the session, secrets masked.")
@click.option("--dry-run", "-n", is_flag=True, help="Print the message, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def send(
    context: Context, *, as_json: bool, dry_run: bool, transcript: bool, **options: object
) -> None:
    """Send one message, and report the outcome for each recipient.

    Without --server it goes where EMAIL_URL, SMTP_URL or MAILER_DSN says, or else to the sandbox
    (localhost:1025). URLs: smtp://user:password@host:587, smtps://host, smtp+starttls://host. A
    refusal is explained as by `pillarbox explain`.

    \b
      pillarbox send
      pillarbox send --to ann@example.org --subject Hello --body "How are you?"
      pillarbox send --to ann@example.org --html @mail.html --attach invoice.pdf
      pillarbox send --server smtp.example.org:587 -u ann --password-file secret \\
        --to bob@example.net --transcript

    Exits with 1 if a recipient is refused or the server cannot be reached, with 2 if an option
    is wrong.
    """  # noqa: D301 - click's mark: do not wrap
    given = _Given(options)
    try:
        target = _target(given, context)
        letter = _letter(given, target)
    except (DraftInvalid, MailUrlInvalid, NotAMessage, HeaderRefused) as error:
        raise click.UsageError(str(error)) from None
    if target.server.warning:
        context.out.say(f"note: {target.server.warning}", style="doubt")
    delivery = Delivery(
        server=target.server, page=target.page, envelope=letter.envelope, size=len(letter.content)
    )
    if dry_run or not target.sends:
        _show(context, delivery, letter, as_json=as_json)
        return
    client = MailClient(
        target.server, given.text("hello") or _own_name(), mechanisms=given.mechanisms()
    )
    delivery = asyncio.run(_deliver(client, letter, delivery))
    if as_json:
        context.out.json(show_object(delivery))
    else:
        print_delivery(context.out, delivery, has_transcript=transcript)
    if not delivery.is_complete:
        raise click.exceptions.Exit(FAILED)


class _Given:
    """The options of one run, with their types."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = options

    def text(self, name: str) -> str:
        """Return a text, "" where the option was not given."""
        value = self._options[name]
        return value if isinstance(value, str) else ""

    def has(self, name: str) -> bool:
        """Say whether an option was given."""
        return self._options[name] not in {None, (), False}

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of an option that may be repeated."""
        values = self._options[name]
        return tuple(map(str, values)) if isinstance(values, tuple) else ()

    def path(self, name: str) -> Path | None:
        """Return a path."""
        value = self._options[name]
        return value if isinstance(value, Path) else None

    def paths(self, name: str) -> tuple[Path, ...]:
        """Return the paths of an option that may be repeated."""
        return tuple(map(Path, self.texts(name)))

    def seconds(self, name: str) -> float | None:
        """Return a number of seconds."""
        value = self._options[name]
        return value if isinstance(value, float) else None

    def mechanisms(self) -> frozenset[str]:
        """Return the mechanisms to log in by; empty: all."""
        return frozenset({self.text("mechanism").upper()} - {""})


# --- where to -------------------------------------------------------------------------------


def _target(given: _Given, context: Context) -> _Target:
    target = _named(given, os.environ) or _sandbox(context)
    server = target.server
    if given.text("user"):
        server = replace(server, user=given.text("user"), password=_password(given, server))
    elif given.path("password_file") or given.text("password_env"):
        server = replace(server, password=_password(given, server))
    if given.text("tls"):
        server = replace(server, tls=_MODES[given.text("tls")])
    if given.has("any_certificate"):
        if server.tls is TlsMode.IMPLICIT:
            raise click.UsageError("--any-certificate goes with STARTTLS; give --ca-file instead.")
        if server.tls is TlsMode.STARTTLS:
            server = replace(server, tls=TlsMode.ENCRYPT)
    server = replace(
        server,
        ca=given.path("authorities") or server.ca,
        timeout=given.seconds("timeout") or server.timeout,
    )
    return replace(target, server=server)


def _named(given: _Given, environ: Mapping[str, str]) -> _Target | None:
    """Return the server that an option or the environment names."""
    if named := given.text("server"):
        return _by_url(named if "://" in named else _with_port(f"smtp://{named}", given))
    for variable in _VARIABLES:
        if url := environ.get(variable):
            try:
                return _by_url(url)
            except MailUrlInvalid as error:
                raise MailUrlInvalid(f"{variable}: {error}") from None
    return None


def _with_port(url: str, given: _Given) -> str:
    """Return a URL with the port that goes with the options, if it has none."""
    host = url.removeprefix("smtp://")
    if host.rpartition("]")[2].count(":") or not (given.text("user") or given.text("tls")):
        return url
    return f"{url}:{465 if given.text('tls') == 'implicit' else 587}"


def _by_url(url: str) -> _Target | None:
    scheme = url.partition(":")[0].lower()
    if scheme == "sandbox":
        return None
    if scheme in _NOWHERE:
        return _Target(server=parse_mail_url(f"smtp://{_SANDBOX}"), sends=False)
    return _Target(server=parse_mail_url(url))


def _sandbox(context: Context) -> _Target:
    """Return the sandbox of the configuration, or the one that runs without any."""
    smtp, page = _SANDBOX, _PAGE
    try:
        settings = context.load().settings.sandbox
    except ConfigError:
        pass  # another command's errors; a test mail can go without
    else:
        smtp = _from_here(settings.smtp, smtp)
        page = _from_here(settings.http, "")
    return _Target(server=parse_mail_url(f"smtp://{smtp}"), page=f"http://{page}" if page else "")


def _from_here(binds: tuple[str, ...], usual: str) -> str:
    """Return how the first of some listeners is reached from this machine."""
    first = next(iter(binds), usual)
    for everywhere in ("0.0.0.0:", "[::]:", ":"):
        if first.startswith(everywhere):
            return f"localhost:{first.removeprefix(everywhere)}"
    return first


def _password(given: _Given, server: MailUrl) -> str:
    file, variable = given.path("password_file"), given.text("password_env") or None
    if file is None and variable is None and server.password:
        return server.password
    if (file is None or str(file) == "-") and variable is None and given.text("text") == "-":
        raise click.UsageError(
            "Standard input has one use: give --password-file or --password-env."
        )
    return read_secret(file, variable, "Password")


# --- what -----------------------------------------------------------------------------------


def _letter(given: _Given, target: _Target) -> _Letter:
    eml = given.path("eml")
    return _of_options(given, target) if eml is None else _of_file(given, eml)


def _of_options(given: _Given, target: _Target) -> _Letter:
    is_test = not any(map(given.has, ("to", "cc", "bcc")))
    if is_test and not target.page:
        raise click.UsageError("Say to whom: --to ann@example.org.")
    to = read_addresses("--to", given.texts("to") or ((_READER,) if is_test else ()))
    cc, bcc = read_addresses("--cc", given.texts("cc")), read_addresses("--bcc", given.texts("bcc"))
    authors = read_addresses("--from", (given.text("author") or _AUTHOR,))
    if len(authors) != 1:
        raise DraftInvalid("--from: one address, please")
    has_text = given.has("text") or given.has("html")
    draft = Draft(
        author=authors[0],
        to=to,
        cc=cc,
        subject=given.text("subject") if given.has("subject") else _SUBJECT,
        text=_read_text(given, "text") if has_text else _TEXT,
        html=_read_text(given, "html") if has_text else _HTML,
        attachments=given.paths("attachments"),
        fields=tuple(map(read_field, given.texts("fields"))),
    )
    content = build_message(
        draft, now=SystemClock().now(), unique=secrets.token_hex(12), hostname=_own_name()
    )
    return _enveloped(given, authors[0].mailbox, (*to, *cc, *bcc), content, draft.needs_smtputf8)


def _read_text(given: _Given, name: str) -> str | None:
    """Return a text from an option, a file or standard input."""
    if not given.has(name):
        return None
    value = given.text(name)
    if value == "-":
        octets = sys.stdin.buffer.read(_MOST_INPUT)
    elif value.startswith("@"):
        try:
            octets = Path(value[1:]).read_bytes()
        except OSError as error:
            raise DraftInvalid(f"{value[1:]}: {error.strerror}") from None
    else:
        return value if value.endswith("\n") else f"{value}\n"
    return octets.decode("utf-8", "replace").replace("\r\n", "\n")


def _of_file(given: _Given, path: Path) -> _Letter:
    """Take a message from a file; only its line ends are made CRLF."""
    refused = [
        name for name in ("subject", "text", "html", "attachments", "fields") if given.has(name)
    ]
    if refused:
        raise click.UsageError("--eml sends a file as it is; it goes with no other content.")
    octets = sys.stdin.buffer.read(_MOST_INPUT) if str(path) == "-" else path.read_bytes()
    content = message_of_input(octets, ignores_dots=True)
    named = (*given.texts("to"), *given.texts("cc"), *given.texts("bcc"))
    if not named:
        named = tuple(header_recipients(content))
        content = without_bcc(content)
    recipients = read_addresses("--to", named)
    if not recipients:
        raise click.UsageError("Say to whom: the file names nobody.")
    authors = read_addresses("--from", (given.text("author") or _AUTHOR,))
    return _enveloped(given, authors[0].mailbox, recipients, content, needs_smtputf8=False)


def _enveloped(
    given: _Given,
    author: Mailbox,
    recipients: tuple[Address, ...],
    content: bytes,
    needs_smtputf8: bool,  # noqa: FBT001 - of the header
) -> _Letter:
    reverse_path: ReversePath = author
    if given.has("envelope_from"):
        text = given.text("envelope_from")
        named = () if text in {"", "<>"} else read_addresses("--envelope-from", (text,))
        reverse_path = named[0].mailbox if named else None
    mailboxes = dict.fromkeys(each.mailbox for each in recipients)
    return _Letter(
        envelope=Envelope(
            reverse_path=reverse_path,
            recipients=tuple(map(Recipient, mailboxes)),
            smtputf8=needs_smtputf8,
        ),
        content=content,
    )


# --- sending --------------------------------------------------------------------------------


async def _deliver(client: MailClient, letter: _Letter, delivery: Delivery) -> Delivery:
    try:
        sent = await client.send(letter.envelope, letter.content)
    except OpenFailed as failed:
        return replace(delivery, failed=failed, conversation=tuple(failed.conversation))
    return replace(
        delivery,
        outcomes=sent.outcomes,
        endpoint=sent.endpoint,
        tls=sent.tls,
        conversation=tuple(sent.conversation),
    )


def _show(context: Context, delivery: Delivery, letter: _Letter, *, as_json: bool) -> None:
    """Write what would be sent."""
    if as_json:
        message = letter.content.decode("utf-8", "replace")
        context.out.json({**show_object(delivery), "dry_run": True, "message": message})
        return
    people = ", ".join(str(each.address) for each in letter.envelope.recipients)
    context.out.say(f"would send to {delivery.server}, for {people}:")
    sys.stdout.buffer.write(letter.content)
    sys.stdout.flush()


def _own_name() -> str:
    try:
        name = socket.getfqdn()
    except OSError:  # pragma: no cover - a machine without a name
        name = ""
    return name if "." in name else "localhost.localdomain"
