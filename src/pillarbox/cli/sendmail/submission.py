"""Submits one message to a server, with Python's ``smtplib``.

``smtplib`` and not ``pillarbox.net``: a program that sends one message and ends needs no
event loop, and starts in a third of the time. What is sent was made sure of before: CRLF
line ends, addresses without control characters.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from pillarbox.config.endpoints import is_loopback
from pillarbox.errors import PermanentError, TemporaryError

__all__ = ["Refused", "Server", "Submission", "Unreachable", "parse_url", "submit"]

_SECONDS: Final = 300.0
_STARTTLS_PORT: Final = 587
_PORTS: Final = {"smtp": 25, "smtps": 465, "sandbox": 1025}
_NOT_XTEXT: Final = re.compile(r"[^!-*,-<>-~]")  # RFC 3461 §4
_TRANSIENT: Final = range(400, 500)


class Unreachable(TemporaryError):  # noqa: N818 - reads as what it says
    """The server could not take the message now; it is to be kept and tried again."""


class Refused(PermanentError):  # noqa: N818 - reads as what it says
    """The server will not take the message; ``stage`` says at which command."""

    def __init__(self, stage: str, reply: str) -> None:
        """Say what the server replied to which command."""
        super().__init__(reply)
        self.stage = stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to submit."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: str = "may"  # "never", "may", "require", "implicit"


@dataclass(slots=True, kw_only=True)
class Submission:
    """One message with its envelope."""

    sender: str
    recipients: list[str]
    content: bytes
    notify: str = ""
    ret: str = ""
    envelope_id: str = ""

    def envelope(self) -> dict[str, object]:
        """Return all but the content, as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "content"}


def parse_url(url: str) -> Server | None:
    """Return the server that ``smtp://USER:PASSWORD@HOST:PORT?tls=...`` names, or None.

    TLS is required where a password is given or the port is 587; ``smtps`` is TLS from the
    first octet; ``sandbox://`` is the sandbox of this machine.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ("127.0.0.1" if parts.scheme == "sandbox" else "")
    if parts.scheme not in _PORTS or not host:
        return None
    is_strict = bool(parts.password) or port == _STARTTLS_PORT
    asked = parse_qs(parts.query).get("tls", [""])[0]
    usual = "implicit" if parts.scheme == "smtps" else "require" if is_strict else "may"
    return Server(
        host=host,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=asked if asked in {"never", "may", "require"} else usual,
    )


def submit(server: Server, submission: Submission) -> dict[str, tuple[int, str]]:
    """Submit a message; return the recipients that were refused while others were taken.

    Raises:
        Unreachable: The server could not take it now.
        Refused: The server will not take it.
    """
    try:
        with _connect(server) as client:
            return _send(client, submission)
    except smtplib.SMTPResponseException as error:
        reply = f"{error.smtp_code} {_text(error.smtp_error)}"
        if error.smtp_code in _TRANSIENT or isinstance(error, smtplib.SMTPConnectError):
            raise Unreachable(f"{server.host}: {reply}") from None
        raise Refused(_STAGES.get(type(error), "data"), reply) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable(f"{server.host} port {server.port}: {error}") from None


_STAGES: Final[dict[type[smtplib.SMTPException], str]] = {
    smtplib.SMTPSenderRefused: "sender",
    smtplib.SMTPAuthenticationError: "auth",
    smtplib.SMTPHeloError: "hello",
}


def _connect(server: Server) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if is_loopback(server.host):
        # Nobody can stand between, and the certificate is one that the node has made itself.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if server.tls == "implicit":
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=_SECONDS, context=context
        )
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=_SECONDS)
    try:
        client.ehlo_or_helo_if_needed()
        wants_tls = server.tls == "require" or (
            server.tls == "may" and client.has_extn("starttls") and not is_loopback(server.host)
        )
        if wants_tls:
            client.starttls(context=context)
            client.ehlo()
        if server.user:
            client.login(server.user, server.password)
    except (OSError, smtplib.SMTPException):
        client.close()
        raise
    return client


def _send(client: smtplib.SMTP, submission: Submission) -> dict[str, tuple[int, str]]:
    options = []
    if not submission.content.isascii() and client.has_extn("8bitmime"):
        options.append("BODY=8BITMIME")
    if not all(map(str.isascii, [submission.sender, *submission.recipients])):
        if not client.has_extn("smtputf8"):
            raise Refused("sender", "the server cannot take addresses that are not ASCII")
        options.append("SMTPUTF8")
    has_dsn = client.has_extn("dsn")
    if has_dsn and submission.ret:
        options.append(f"RET={submission.ret.upper()}")
    if has_dsn and submission.envelope_id:
        options.append(f"ENVID={_xtext(submission.envelope_id)}")
    notify = [f"NOTIFY={submission.notify.upper()}"] if has_dsn and submission.notify else []
    try:
        refused = client.sendmail(
            submission.sender, submission.recipients, submission.content, options, notify
        )
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    return {address: (code, _text(text)) for address, (code, text) in refused.items()}


def _xtext(text: str) -> str:
    return _NOT_XTEXT.sub(lambda match: f"+{ord(match[0]):02X}", text)


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
