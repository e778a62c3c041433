"""Sends messages composed on the page, or made from a sample, as a program would.

They go by SMTP to the sandbox's own listener, so that there is a session to look at and failures
happen where they were asked for. If the listener demands more (a login, a client certificate), the
message is stored directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid, parseaddr
from importlib.resources import files
from typing import Final

from pillarbox.config.mail_url import parse_mail_url
from pillarbox.console.sandbox.desk import Desk
from pillarbox.errors import PermanentError
from pillarbox.message.composed import broken_field
from pillarbox.net.channel import OpenFailed
from pillarbox.net.mail_client import MailClient
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.envelope import BodyType, Envelope, Recipient
from pillarbox.smtp.path import parse_mailbox

__all__ = ["SAMPLES", "Letter", "post", "sample", "write"]

_HELLO: Final = "localhost"
_PATIENCE: Final = 40.0  # seconds: failing on purpose may take a while
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}
_MOST_RECIPIENTS: Final = 100
_SHOP: Final = Mailbox("shop", "example.com")
_ANN: Final = Mailbox("ann", "example.com")

SAMPLES: Final = {
    "code": ("A sign-in code", "HTML and text, a code and a link, light and dark"),
    "receipt": ("A receipt with a file", "A table, a tag, an attached CSV file"),
    "faulty": ("One with faults", "A leftover placeholder, a link to localhost, no text part"),
}
"""Mail to try the sandbox with: what it is called and what is in it, by the names of files."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that is ready to go."""

    sender: Mailbox
    recipients: tuple[Mailbox, ...]
    octets: bytes


def write(
    *, sender: str, recipients: Sequence[str], subject: str, text: str, html: str, now: float
) -> Letter:
    """Return what somebody wrote as a mail.

    Raises:
        PermanentError: An address is none, there are too many, or the subject has line ends.
    """
    if not 0 < len(recipients) <= _MOST_RECIPIENTS:
        raise PermanentError(f"Enter 1 to {_MOST_RECIPIENTS} recipients.")
    # A name may stand before an address, as people write it: Ann <ann@example.com>.
    people = ((parseaddr(one)[1] or one) for one in (sender, *recipients))
    author, *readers = map(parse_mailbox, people)
    is_ascii = all(address.isascii() for address in (sender, *recipients))
    message = EmailMessage(policy=SMTP if is_ascii else SMTPUTF8)
    try:
        message["From"] = sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = subject
        is_broken = bool(broken_field(message))
    except (MessageError, ValueError):
        is_broken = True
    if is_broken:
        raise PermanentError("An address or the subject is not valid in a header.")
    message["Date"], message["Message-ID"] = _stamp(now)
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return Letter(author, tuple(readers), message.as_bytes())


def sample(name: str, now: float) -> Letter:
    """Return a mail to try the sandbox with.

    Raises:
        PermanentError: There is none of that name.
    """
    if name not in SAMPLES:
        raise PermanentError(f"There is no sample {name[:40]!r}.")
    written = (files("pillarbox.console") / "samples" / f"{name}.eml").read_text("utf-8")
    date, message_id = _stamp(now)
    whole = f"Date: {date}\nMessage-ID: {message_id}\n{written}"
    octets = whole.replace("\n", "\r\n").encode()
    return Letter(_SHOP, (_ANN,), octets)


async def post(desk: Desk, letter: Letter) -> str:
    """Bring a mail in; return what the sandbox said to it.

    Raises:
        PillarboxError: It was refused, on purpose perhaps.
    """
    try:
        return await _by_smtp(desk, letter)
    except OpenFailed:
        await desk.sandbox.ingest(
            letter.octets,
            reverse_path=str(letter.sender),
            recipients=[str(one) for one in letter.recipients],
        )
        return "taken in"


async def _by_smtp(desk: Desk, letter: Letter) -> str:
    addresses = desk.sandbox.addresses.smtp
    if not addresses:
        raise OpenFailed(Stage.CONNECT, "it has no listener")
    host, _, port = addresses[0].rpartition(":")
    server = parse_mail_url(f"smtp://{_EVERYWHERE.get(host, host)}:{port}?timeout={_PATIENCE:g}")
    everyone = (letter.sender, *letter.recipients)
    envelope = Envelope(
        reverse_path=letter.sender,
        recipients=tuple(map(Recipient, letter.recipients)),
        body=BodyType.SEVEN_BIT if letter.octets.isascii() else BodyType.EIGHT_BIT_MIME,
        smtputf8=not all(str(one).isascii() for one in everyone),
    )
    sent = await MailClient(server, _HELLO).send(envelope, letter.octets)
    for recipient, outcome in zip(letter.recipients, sent.outcomes, strict=True):
        if not outcome.is_delivered:
            if outcome.stage is Stage.MAIL and outcome.reply is not None:
                raise OpenFailed(outcome.stage, str(outcome.reply), outcome.reply)
            said = outcome.reply or outcome.reason
            raise PermanentError(f"Refused for {recipient}: {said}")
    return str(sent.outcomes[0].reply)


def _stamp(now: float) -> tuple[str, str]:
    """Return a Date and a Message-ID for a mail of this moment."""
    date = format_datetime(datetime.fromtimestamp(now, UTC))
    return date, make_msgid(domain="sandbox.example")
