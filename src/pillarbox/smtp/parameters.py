"""Parameters of MAIL and RCPT: one row for each keyword that an extension defines.

A keyword that the session has not offered gets 555 5.5.4; one that is repeated, or has a bad value,
501 5.5.4.

RFC 5321 §4.1.1.11, RFC 1870 §5 (SIZE), RFC 6152 §3 (BODY), RFC 6531 §3.4 (SMTPUTF8), RFC 3461 §4
(RET, ENVID, NOTIFY, ORCPT), RFC 6533 §3 (utf-8 addresses), RFC 4954 §5 (AUTH), RFC 8689 §2
(REQUIRETLS).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set as AbstractSet
from typing import Final, TypeVar

from pillarbox.smtp.envelope import BodyType, Notify, Ret, TlsRequired
from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.replies import BAD_PARAMETER_VALUE, DUPLICATE_PARAMETER, UNKNOWN_PARAMETER

__all__ = [
    "AUTH_KEYWORDS",
    "DSN_KEYWORDS",
    "KEYWORDS",
    "REQUIRETLS_KEYWORDS",
    "SMTPUTF8_KEYWORDS",
    "STANDARD_KEYWORDS",
    "MailParameters",
    "RcptParameters",
    "read_mail_parameters",
    "read_rcpt_parameters",
]

STANDARD_KEYWORDS: Final = frozenset({"SIZE", "BODY"})
SMTPUTF8_KEYWORDS: Final = frozenset({"SMTPUTF8"})
DSN_KEYWORDS: Final = frozenset({"RET", "ENVID", "NOTIFY", "ORCPT"})
AUTH_KEYWORDS: Final = frozenset({"AUTH"})
REQUIRETLS_KEYWORDS: Final = frozenset({"REQUIRETLS"})
KEYWORDS: Final = (
    STANDARD_KEYWORDS | SMTPUTF8_KEYWORDS | DSN_KEYWORDS | AUTH_KEYWORDS | REQUIRETLS_KEYWORDS
)

MAX_ENVELOPE_ID: Final = 100  # RFC 3461 §5.4
MAX_ORIGINAL_RECIPIENT: Final = 500  # RFC 3461 §5.4

_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_SIZE: Final = re.compile(r"[0-9]{1,20}")  # RFC 1870 §5
# xtext of RFC 3461 §4: printable ASCII but "+" and "="; "+" begins two hexadecimal digits.
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR: Final = re.compile(r"\+([0-9A-F]{2})")
_ORIGINAL: Final = re.compile(r"[A-Za-z0-9-]+;(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
# utf-8-addr-xtext and utf-8-addr-unitext of RFC 6533 §3: \x{HEX}, or the character itself.
_ORIGINAL_UTF8: Final = re.compile(
    r"(?i:utf-8);(?:[!-*,-<>-\[\]-~\u00a1-\U0010ffff]|\+[0-9A-F]{2}|\\x\{[0-9A-F]{2,6}\})+"
)


class MailParameters:
    """The parameters of a MAIL command."""

    __slots__ = ("body", "envelope_id", "ret", "size", "smtputf8", "tls_required")

    def __init__(self) -> None:
        self.size: int | None = None
        self.body = BodyType.SEVEN_BIT
        self.smtputf8 = False
        self.ret: Ret | None = None
        self.envelope_id: str | None = None
        self.tls_required = TlsRequired.BY_POLICY


class RcptParameters:
    """The parameters of a RCPT command."""

    __slots__ = ("notify", "original")

    def __init__(self) -> None:
        self.notify: Notify | None = None
        self.original: str | None = None


def read_mail_parameters(text: str, offered: AbstractSet[str]) -> MailParameters:
    """Parse what follows the path of MAIL.

    Args:
        text: The parameters, separated by spaces.
        offered: Keywords that the session has offered, in upper case.

    Raises:
        RefusedError: A parameter is unknown, repeated or malformed.
    """
    return _read(text, offered, _MAIL, MailParameters())


def read_rcpt_parameters(text: str, offered: AbstractSet[str]) -> RcptParameters:
    """Parse what follows the path of RCPT; as ``read_mail_parameters``."""
    return _read(text, offered, _RCPT, RcptParameters())


_Parameters = TypeVar("_Parameters", MailParameters, RcptParameters)
_Reader = Callable[[_Parameters, str], None]


def _read(
    text: str,
    offered: AbstractSet[str],
    readers: Mapping[str, _Reader[_Parameters]],
    into: _Parameters,
) -> _Parameters:
    seen: set[str] = set()
    for parameter in text.split():
        keyword, _, value = parameter.partition("=")
        keyword = keyword.upper()
        if keyword not in readers or keyword not in offered:
            reply = UNKNOWN_PARAMETER if _KEYWORD.fullmatch(keyword) else BAD_PARAMETER_VALUE
            raise RefusedError(reply)
        if keyword in seen:
            raise RefusedError(DUPLICATE_PARAMETER)
        seen.add(keyword)
        readers[keyword](into, value)
    return into


def _size(into: MailParameters, value: str) -> None:
    if not _SIZE.fullmatch(value):
        raise RefusedError(BAD_PARAMETER_VALUE)
    into.size = int(value)


_BODIES: Final = {"7BIT": BodyType.SEVEN_BIT, "8BITMIME": BodyType.EIGHT_BIT_MIME}


def _body(into: MailParameters, value: str) -> None:
    # BINARYMIME is not offered: it requires a conversion if the next hop lacks it.
    body = _BODIES.get(value.upper())
    if body is None:
        raise RefusedError(BAD_PARAMETER_VALUE)
    into.body = body


def _smtputf8(into: MailParameters, value: str) -> None:
    if value:
        raise RefusedError(BAD_PARAMETER_VALUE)
    into.smtputf8 = True


def _requiretls(into: MailParameters, value: str) -> None:
    if value:  # RFC 8689 §2: it has no value
        raise RefusedError(BAD_PARAMETER_VALUE)
    into.tls_required = TlsRequired.YES


_RETS: Final = {ret.value: ret for ret in Ret}


def _ret(into: MailParameters, value: str) -> None:
    ret = _RETS.get(value.upper())
    if ret is None:
        raise RefusedError(BAD_PARAMETER_VALUE)
    into.ret = ret


def _envid(into: MailParameters, value: str) -> None:
    if not value or len(value) > MAX_ENVELOPE_ID or not _XTEXT.fullmatch(value):
        raise RefusedError(BAD_PARAMETER_VALUE)
    decoded = _from_xtext(value)
    # RFC 3461 §4.4: the decoded id is printable US-ASCII; so no CR or LF comes in this way.
    if not (decoded.isascii() and decoded.isprintable()):
        raise RefusedError(BAD_PARAMETER_VALUE)
    into.envelope_id = decoded


def _auth(into: MailParameters, value: str) -> None:
    # RFC 4954 §5: without a reason to trust the client, the server behaves as if AUTH=<>
    # had been given; so the value is validated and discarded.
    del into
    if not value or not (value == "<>" or _XTEXT.fullmatch(value)):
        raise RefusedError(BAD_PARAMETER_VALUE)


def _notify(into: RcptParameters, value: str) -> None:
    notify = Notify(0)
    for word in value.upper().split(","):
        member = Notify.__members__.get(word)
        if member is None:
            raise RefusedError(BAD_PARAMETER_VALUE)
        notify |= member
    if Notify.NEVER in notify and notify != Notify.NEVER:  # it stands alone, RFC 3461 §4.1
        raise RefusedError(BAD_PARAMETER_VALUE)
    into.notify = notify


def _orcpt(into: RcptParameters, value: str) -> None:
    is_fine = _ORIGINAL.fullmatch(value) or _ORIGINAL_UTF8.fullmatch(value)
    if not is_fine or len(value) > MAX_ORIGINAL_RECIPIENT:
        raise RefusedError(BAD_PARAMETER_VALUE)
    decoded = _from_xtext(value)
    if any(ord(character) < ord(" ") or character == "\x7f" for character in decoded):
        raise RefusedError(BAD_PARAMETER_VALUE)  # no CR or LF in a DSN's Original-Recipient
    into.original = value


def _from_xtext(text: str) -> str:
    return _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)


_MAIL: Final[dict[str, _Reader[MailParameters]]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "RET": _ret,
    "ENVID": _envid,
    "AUTH": _auth,
    "REQUIRETLS": _requiretls,
}
_RCPT: Final[dict[str, _Reader[RcptParameters]]] = {
    "NOTIFY": _notify,
    "ORCPT": _orcpt,
}
