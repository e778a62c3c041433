"""Reads the error of a program's mail library: which library, at which stage, with which reply.

The last line of a stack trace is enough. smtplib, Nodemailer, PHPMailer, Symfony Mailer,
JavaMail, Go's net/smtp, .NET, Ruby's Net::SMTP.
"""

from __future__ import annotations

import json
import re
from typing import Final

from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.diagnosis.phrase import flatten
from pillarbox.diagnosis.provider import provider_of
from pillarbox.diagnosis.reading.codes import find_reply, find_stage, join_lines
from pillarbox.smtp.client_outcome import Stage

__all__ = ["read_client_error"]

_MAX_TEXT: Final = 64 * 1024

# What gives a library away; the first that fits.
_LIBRARIES: Final = (
    ("msmtp", ("msmtp:",)),
    ("curl", ("curl: (",)),
    ("smtplib", ("smtplib.", "smtprecipientsrefused", "smtpauthenticationerror", "smtpserverdisconnected", "smtpsenderrefused", "smtpdataerror", "smtpnotsupportederror", "smtpconnecterror", "socket.gaierror", "ssl.sslerror", "ssl.sslcertverificationerror", "connectionrefusederror", "timeouterror")),
    ("Nodemailer", ("invalid login:", "eauth", "eenvelope", "emessage", "esocket", "econnection", "nodemailer", "getaddrinfo enotfound", "connect econnrefused", "connect etimedout", "err_tls_cert", "code: 'etls'", "code: 'edns'")),
    ("PHPMailer", ("phpmailer", "smtp error: ", "smtp connect() failed", "smtp server error:", "could not instantiate mail function", "mail(): ", "php_network_getaddresses")),
    ("Symfony Mailer", ("expected response code", "symfony\\component\\mailer", "transportexception", "swift_", "connection could not be established with host", "failed to authenticate on smtp server")),
    ("JavaMail", ("javax.mail", "jakarta.mail", "com.sun.mail", "org.eclipse.angus", "java.net.", "javax.net.ssl")),
    (".NET", ("system.net.", "smtpexception", "mailkit", "system.notsupportedexception")),
    ("Ruby Net::SMTP", ("net::smtp", "net::opentimeout", "net::readtimeout", "openssl::ssl::", "eoferror", "socketerror", "errno::e")),
    ("Go", ("dial tcp", "x509:", "smtp: ", "tls: ", "gomail:", "i/o timeout", "textproto")),
)  # fmt: skip
# What an exception's name says about the stage where the text does not.
_STAGES: Final = (
    ("smtpauthenticationerror", Stage.AUTH),
    ("authenticationfailedexception", Stage.AUTH),
    ("could not authenticate", Stage.AUTH),
    ("invalid login", Stage.AUTH),
    ("eauth", Stage.AUTH),
    ("recipientsrefused", Stage.RECIPIENT),
    ("smtpaddressfailed", Stage.RECIPIENT),
    ("following recipients failed", Stage.RECIPIENT),
    ("recipient command failed", Stage.RECIPIENT),
    ("all recipients were rejected", Stage.RECIPIENT),
    ("smtpsenderrefused", Stage.MAIL),
    ("smtpsenderfailed", Stage.MAIL),
    ("following from address failed", Stage.MAIL),
    ("mail command failed", Stage.MAIL),
    ("data not accepted", Stage.FINAL),
    ("message failed", Stage.FINAL),
    ("data end command failed", Stage.FINAL),
    ("smtpdataerror", Stage.FINAL),
    ("smtpheloerror", Stage.HELLO),
    ("smtpconnecterror", Stage.GREETING),
    ("gaierror", Stage.RESOLVE),
    ("enotfound", Stage.RESOLVE),
    ("unknownhostexception", Stage.RESOLVE),
    ("no such host", Stage.RESOLVE),
    ("php_network_getaddresses", Stage.RESOLVE),
    ("certificate", Stage.TLS),
    ("x509:", Stage.TLS),
    ("sslerror", Stage.TLS),
    ("handshake", Stage.TLS),
    ("econnrefused", Stage.CONNECT),
    ("connection refused", Stage.CONNECT),
    ("etimedout", Stage.CONNECT),
    ("could not connect to smtp host", Stage.CONNECT),
    ("dial tcp", Stage.CONNECT),
)
_PYTHON_REPLY: Final = re.compile(r"\(([245]\d\d), b?(['\"])(.{0,4000}?)\2", re.DOTALL)
_PHP_CODE: Final = re.compile(
    r"SMTP code: ([245]\d\d)(?: Additional SMTP info: ([245]\.\d{1,3}\.\d{1,3}))?"
)
_PHP_DETAIL: Final = re.compile(r"Detail: (.{1,2000}?) SMTP code:", re.DOTALL)
_NODE_RESPONSE: Final = re.compile(r"\bresponse: (['\"])([45]\d\d.{0,4000}?)\1", re.DOTALL)
_SYMFONY: Final = re.compile(
    r"but got (?:code|an empty response)[ ]?\"?(\d{3})?\"?[^\"]{0,40}\"?([^\"]{0,4000})", re.DOTALL
)
_DOTNET: Final = re.compile(r"The server response was: ([^\n]{1,4000})")
# A line of a log in JSON: its other fields speak of the request (an HTTP status, a path).
_JSON_ERROR: Final = re.compile(r'"err(?:or)?": ?"((?>(?:[^"\\]++|\\.)*))"')
# What a trace has besides its sentences: places, and the fields of the object.
_NO_SENTENCE: Final = re.compile(
    r"(?:at |File |from /|--- End|#|goroutine|\.\.\. \d+ more|[{}\])]|(?:code|errno|syscall|address|port|command|"
    r"responseCode|hostname|host|library|reason|stack): )"
)
_RECIPIENT: Final = re.compile(
    r"(?:RecipientsRefused: \{'|rejected: |recipients failed: |AddressFailedException: [^<]{0,60}<)<?([^\s'<>:@]{1,64}@[^\s'<>:,]{1,255})"
)


def read_client_error(text: str) -> Observation | None:
    """Return what an error of a mail library says; None if it is of none that is known."""
    text = _logged_error(text[-_MAX_TEXT:])
    lower = text.lower()
    library = next((name for name, marks in _LIBRARIES if any(mark in lower for mark in marks)), "")
    if not library:
        return None
    quoted = _quoted_reply(text)
    reply = join_lines(quoted)
    said = find_reply(reply)
    recipient = _RECIPIENT.search(text)
    stage = next((stage for mark, stage in _STAGES if mark in lower), None) or find_stage(text)
    flat = flatten(text[-4096:])
    return Observation(
        source=Source.ERROR,
        by=library,
        text=said.text if said.code is not None or quoted is not text else _last_line(text),
        code=said.code,
        enhanced=said.enhanced,
        stage=stage,
        recipient=recipient[1] if recipient else "",
        provider=provider_of("", flat),
    )


def _logged_error(text: str) -> str:
    """Return the error in a line of JSON, otherwise the text as it is."""
    found = _JSON_ERROR.search(text)
    if found is None:
        return text
    try:
        return str(json.loads(f'"{found[1]}"'))
    except ValueError:
        return text


def _quoted_reply(text: str) -> str:
    """Return the server's reply as the library quotes it, otherwise the last line."""
    if (found := _PYTHON_REPLY.search(text)) is not None:
        return f"{found[1]} {found[3]}".replace("\\n", " ")
    if (found := _PHP_CODE.search(text)) is not None:
        detail = _PHP_DETAIL.search(text)
        return f"{found[1]} {found[2] or ''} {detail[1] if detail else ''}".replace("  ", " ")
    if (found := _NODE_RESPONSE.search(text)) is not None:
        return found[2]
    if (found := _DOTNET.search(text)) is not None:
        return found[1]
    if (found := _SYMFONY.search(text)) is not None and found[1]:
        return found[2].strip() if found[2].strip()[:3].isdigit() else f"{found[1]} {found[2]}"
    return text


def _last_line(text: str) -> str:
    """Return the sentence that says most: of a trace the last one, otherwise all."""
    lines = [line.strip() for line in text.strip().split("\n") if line.strip()]
    telling = [line for line in lines if _NO_SENTENCE.match(line) is None]
    return (telling or lines or [""])[-1] if len(lines) > 2 else " ".join(lines)  # noqa: PLR2004 - a trace is longer
