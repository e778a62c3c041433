"""The commands of a client: one frozen class each, and ``parse_command``.

A line that is not a command raises ``RefusedError`` with the reply to send. Whether a command is
allowed at this moment is not decided here, but in ``pillarbox.smtp.session``.

RFC 5321 §4.1.1; RFC 3207 §4 (STARTTLS); RFC 4954 §4 (AUTH); RFC 3030 §2 (BDAT).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set as AbstractSet
from typing import Final

from msgspec import Struct

from pillarbox.smtp import replies
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.domain import is_hello_name
from pillarbox.smtp.envelope import BodyType, Recipient, Ret, TlsRequired
from pillarbox.smtp.parameters import KEYWORDS, read_mail_parameters, read_rcpt_parameters
from pillarbox.smtp.path import AddressError, parse_forward_path, parse_reverse_path
from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.reply import Reply

__all__ = [
    "Auth",
    "Bdat",
    "Command",
    "Data",
    "Expn",
    "Hello",
    "Help",
    "Mail",
    "Noop",
    "Quit",
    "Rcpt",
    "Rset",
    "StartTls",
    "Vrfy",
    "parse_command",
]


class Hello(Struct, frozen=True, gc=False):
    """EHLO, or HELO where ``is_extended`` is false."""

    name: str
    is_extended: bool


class StartTls(Struct, frozen=True, gc=False):
    """STARTTLS."""


class Auth(Struct, frozen=True, gc=False):
    """AUTH with the name of a mechanism in upper case and, perhaps, an initial response."""

    mechanism: str
    initial_response: str | None  # in base64, "=" for an empty one

    def __repr__(self) -> str:
        return f"Auth({self.mechanism!r}, initial_response=***)"


class Mail(Struct, frozen=True, gc=False):
    """MAIL FROM."""

    reverse_path: ReversePath
    size: int | None = None
    body: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    ret: Ret | None = None
    envelope_id: str | None = None
    tls_required: TlsRequired = TlsRequired.BY_POLICY


class Rcpt(Struct, frozen=True, gc=False):
    """RCPT TO."""

    recipient: Recipient


class Data(Struct, frozen=True, gc=False):
    """DATA."""


class Bdat(Struct, frozen=True, gc=False):
    """BDAT: ``size`` octets of content follow the line."""

    size: int
    is_last: bool


class Rset(Struct, frozen=True, gc=False):
    """RSET."""


class Noop(Struct, frozen=True, gc=False):
    """NOOP; its argument is ignored."""


class Vrfy(Struct, frozen=True, gc=False):
    """VRFY with a name or an address, as it came."""

    text: str


class Expn(Struct, frozen=True, gc=False):
    """EXPN; its argument is ignored and never answered."""


class Help(Struct, frozen=True, gc=False):
    """HELP; its argument is ignored."""


class Quit(Struct, frozen=True, gc=False):
    """QUIT."""


Command = (
    Hello | StartTls | Auth | Mail | Rcpt | Data | Bdat | Rset | Noop | Vrfy | Expn | Help | Quit
)

# RFC 3030 §2: chunk-size is 1*DIGIT; twenty digits are those of SIZE (RFC 1870 §5).
_CHUNK: Final = re.compile(r"([0-9]{1,20})(?: +(?i:(LAST)))?")
_MECHANISM: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")  # RFC 4422 §3.1
# The path, then the parameters. Laxer than the RFC: spaces after the colon, as many
# clients send them.
_PATH: Final = r'TO: *<([^">]*(?:"(?:[^"\\]|\\.)*"[^">]*)*)>(| .*)'
_FORWARD: Final = re.compile(_PATH, re.IGNORECASE)
_REVERSE: Final = re.compile(_PATH.replace("TO:", "FROM:", 1), re.IGNORECASE)

_STARTTLS: Final = StartTls()
_DATA: Final = Data()
_RSET: Final = Rset()
_NOOP: Final = Noop()
_EXPN: Final = Expn()
_HELP: Final = Help()
_QUIT: Final = Quit()


def parse_command(line: bytes, offered: AbstractSet[str] = KEYWORDS) -> Command:
    """Read one command line.

    Args:
        line: The line without its line end.
        offered: Keywords of parameters that the session has offered, in upper case.

    Raises:
        RefusedError: The line is not a well-formed command; the error holds the reply.
    """
    verb, _, rest = line.partition(b" ")
    parser = _PARSERS.get(verb.upper())
    if parser is None:
        raise RefusedError(_UNSUPPORTED.get(verb.upper(), replies.UNKNOWN_COMMAND))
    try:
        argument = rest.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError(replies.BAD_UTF8) from None
    return parser(argument.strip(" "), offered)


def _hello(argument: str, *, is_extended: bool) -> Hello:
    if not is_hello_name(argument):
        raise RefusedError(replies.BAD_HELLO_NAME)
    return Hello(argument, is_extended)


def _ehlo(argument: str, _: AbstractSet[str]) -> Hello:
    return _hello(argument, is_extended=True)


def _helo(argument: str, _: AbstractSet[str]) -> Hello:
    return _hello(argument, is_extended=False)


def _auth(argument: str, _offered: AbstractSet[str]) -> Auth:
    mechanism, _, initial = argument.partition(" ")
    if not mechanism:
        raise RefusedError(replies.MISSING_ARGUMENT)
    if not _MECHANISM.fullmatch(mechanism):
        raise RefusedError(replies.UNKNOWN_MECHANISM)
    return Auth(mechanism.upper(), initial.strip(" ") or None)


def _mail(argument: str, offered: AbstractSet[str]) -> Mail:
    match = _REVERSE.fullmatch(argument)
    if match is None:
        raise RefusedError(_syntax(argument, "FROM:", replies.BAD_MAIL_SYNTAX, replies.BAD_SENDER))
    path, parameters = match.groups()
    try:
        mailbox = parse_reverse_path(path)
    except AddressError:
        raise RefusedError(replies.BAD_SENDER) from None
    if not parameters:
        mail = Mail(mailbox)
    else:
        read = read_mail_parameters(parameters, offered)
        mail = Mail(
            mailbox,
            read.size,
            read.body,
            read.smtputf8,
            read.ret,
            read.envelope_id,
            read.tls_required,
        )
    if mailbox is not None and not mail.smtputf8 and not is_ascii(mailbox):
        raise RefusedError(replies.SENDER_NEEDS_SMTPUTF8)  # RFC 6531 §3.5
    return mail


def _rcpt(argument: str, offered: AbstractSet[str]) -> Rcpt:
    match = _FORWARD.fullmatch(argument)
    if match is None:
        reply = _syntax(argument, "TO:", replies.BAD_RCPT_SYNTAX, replies.BAD_RECIPIENT)
        raise RefusedError(reply)
    path, parameters = match.groups()
    try:
        mailbox = parse_forward_path(path)
    except AddressError:
        raise RefusedError(replies.BAD_RECIPIENT) from None
    if not parameters:
        return Rcpt(Recipient(mailbox))
    read = read_rcpt_parameters(parameters, offered)
    return Rcpt(Recipient(mailbox, read.notify, read.original))


def _syntax(argument: str, keyword: str, command_is_bad: Reply, address_is_bad: Reply) -> Reply:
    """Distinguish a command that lacks its keyword from one with a malformed path."""
    has_keyword = argument[: len(keyword)].upper() == keyword
    return address_is_bad if has_keyword else command_is_bad


def is_ascii(mailbox: Mailbox) -> bool:
    """Whether an address can be written as it is without SMTPUTF8."""
    return mailbox.local_part.isascii() and mailbox.domain.isascii()


def _bdat(argument: str, _: AbstractSet[str]) -> Bdat:
    match = _CHUNK.fullmatch(argument)
    if match is None:
        raise RefusedError(replies.BAD_CHUNK_SIZE)
    return Bdat(int(match[1]), match[2] is not None)


def _vrfy(argument: str, _: AbstractSet[str]) -> Vrfy:
    if not argument:
        raise RefusedError(replies.MISSING_ARGUMENT)
    return Vrfy(argument)


def _expn(argument: str, _: AbstractSet[str]) -> Expn:
    if not argument:
        raise RefusedError(replies.MISSING_ARGUMENT)
    return _EXPN


def _without_argument(command: Command) -> Callable[[str, AbstractSet[str]], Command]:
    """Return a parser for a command that takes no argument (RFC 5321 §4.1.1)."""

    def parse(argument: str, _: AbstractSet[str]) -> Command:
        if argument:
            raise RefusedError(replies.NO_ARGUMENT_ALLOWED)
        return command

    return parse


_PARSERS: Final[dict[bytes, Callable[[str, AbstractSet[str]], Command]]] = {
    b"EHLO": _ehlo,
    b"HELO": _helo,
    b"STARTTLS": _without_argument(_STARTTLS),
    b"AUTH": _auth,
    b"MAIL": _mail,
    b"RCPT": _rcpt,
    b"DATA": _without_argument(_DATA),
    b"BDAT": _bdat,
    b"RSET": _without_argument(_RSET),
    b"NOOP": lambda _argument, _offered: _NOOP,
    b"VRFY": _vrfy,
    b"EXPN": _expn,
    b"HELP": lambda _argument, _offered: _HELP,
    b"QUIT": _without_argument(_QUIT),
}

# Commands that are known and not carried out. The first group steers other servers or is
# history (RFC 5321 §F.1, §F.6); the second would let a client say who it is; the third is
# HTTP, sent by browsers and proxies that were led here to make them speak SMTP.
_UNSUPPORTED: Final[dict[bytes, Reply]] = {
    **dict.fromkeys(
        (b"ETRN", b"ATRN", b"TURN", b"SEND", b"SOML", b"SAML", b"BURL", b"LHLO"),
        replies.NOT_IMPLEMENTED,
    ),
    **dict.fromkeys((b"XCLIENT", b"XFORWARD"), replies.FORBIDDEN),
    **dict.fromkeys(
        (
            b"GET",
            b"POST",
            b"PUT",
            b"HEAD",
            b"DELETE",
            b"OPTIONS",
            b"CONNECT",
            b"TRACE",
            b"PATCH",
            b"PRI",
        ),
        replies.NOT_SMTP,
    ),
}
