"""Received fields, and the date they carry (RFC 5321 §4.4).

A client's claims about itself are sanitized so that they cannot break the syntax: no line ends, no
brackets, no parentheses. Building a Received field takes about two microseconds, because what is
constant in a session is assembled once (``ReceivedTrace``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from pillarbox.smtp.address import Mailbox, ascii_domain

__all__ = [
    "ReceivedTrace",
    "Session",
    "format_date",
    "transmission_type",
]

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z: a year has four digits
_FOLD: Final = "\r\n\t"
_LINE: Final = 78  # RFC 5322 §2.1.1: lines should not be longer
_LONGEST_NAME: Final = 255  # RFC 5321 §4.5.3.1.2
_NOT_IN_NAME: Final = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_UNSAFE: Final = re.compile(r"[^!-'*-;=?-Z^-~]")  # blanks, controls, parentheses, brackets


def format_date(at: float) -> str:
    """Return a date-time in UTC, such as ``Sat, 21 Nov 2026 04:00:00 +0000`` (RFC 5322 §3.3).

    Args:
        at: Seconds since 1970; the year is kept within 1970 to 9999.
    """
    return _format_second(min(max(int(at), 0), _LAST_SECOND))


@lru_cache(maxsize=64)
def _format_second(second: int) -> str:
    when = datetime.fromtimestamp(second, UTC)
    # strftime would follow the locale.
    return (
        f"{_DAYS[when.weekday()]}, {when.day:02d} {_MONTHS[when.month - 1]} {when.year} "
        f"{when.hour:02d}:{when.minute:02d}:{when.second:02d} +0000"
    )


def transmission_type(
    *,
    is_extended: bool,
    is_tls: bool = False,
    is_authenticated: bool = False,
    is_utf8: bool = False,
    is_lmtp: bool = False,
) -> str:
    """Return the protocol name of the "with" clause (RFC 3848; RFC 6531 §4.3)."""
    if not is_extended and not is_lmtp:
        return "SMTP"  # without EHLO there is no TLS, no AUTH and no UTF-8
    name = "LMTP" if is_lmtp else "SMTP"
    prefix = "UTF8" if is_utf8 else "" if is_lmtp else "E"
    return f"{prefix}{name}{'S' if is_tls else ''}{'A' if is_authenticated else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What the Received field says about the session that brought a message."""

    helo: str  # as sent by the client; "" if not sent
    address: str  # the client's IP address; "" for a program on this machine
    name: str = ""  # the client's verified host name, "" if it has none
    hostname: str  # ours
    is_extended: bool = True
    is_authenticated: bool = False
    is_lmtp: bool = False
    tls_version: str = ""  # "TLSv1.3"; "" without TLS
    tls_cipher: str = ""  # "TLS_AES_256_GCM_SHA384"


class ReceivedTrace:
    """Builds the Received fields of one session (RFC 5321 §4.4)."""

    __slots__ = ("_from", "_tls", "_with", "_with_utf8")

    def __init__(self, session: Session) -> None:
        """Put together what all messages of the session have in common."""
        self._from = f"Received: {_from_clause(session)}\r\n\tby {_name(session.hostname)}"
        self._with = f" with {_transmission(session, is_utf8=False)} id "
        self._with_utf8 = f" with {_transmission(session, is_utf8=True)} id "
        # RFC 8314 §4.3 registers the clause "tls" for the suite's registered name. OpenSSL
        # gives that name for TLS 1.3 only; what it gives for 1.2 goes into a comment.
        cipher = _UNSAFE.sub("?", session.tls_cipher)
        if not session.tls_version:
            self._tls = ""
        elif cipher.startswith("TLS_"):
            self._tls = f"tls {cipher}"
        else:
            self._tls = f"({_UNSAFE.sub('?', session.tls_version)} {cipher})"

    def field(
        self, *, queue_id: str, at: float, recipient: Mailbox | None = None, is_utf8: bool = False
    ) -> bytes:
        """Return the field with its CRLF, to be put before the message.

        Args:
            queue_id: The displayed message id.
            at: When it was received, seconds since 1970.
            recipient: The only recipient. With several, None: naming one would tell it
                to the others (RFC 5321 §7.6).
            is_utf8: Whether the client said SMTPUTF8 (RFC 6531 §4.3).
        """
        clauses = f"{self._from}{self._with_utf8 if is_utf8 else self._with}{queue_id}"
        path = "" if recipient is None else str(recipient)
        # Without SMTPUTF8 the header stays ASCII.
        if path and path.isprintable() and (is_utf8 or path.isascii()):
            clauses = f"{clauses}\r\n\tfor <{path}>"
            joins = len(path) + len(self._tls) < _LINE - len("\tfor <> ;")
        else:
            joins = False
        if self._tls:
            clauses = f"{clauses}{' ' if joins else _FOLD}{self._tls}"
        return f"{clauses};{_FOLD}{format_date(at)}\r\n".encode()


def _transmission(session: Session, *, is_utf8: bool) -> str:
    return transmission_type(
        is_extended=session.is_extended,
        is_tls=bool(session.tls_version),
        is_authenticated=session.is_authenticated,
        is_utf8=is_utf8,
        is_lmtp=session.is_lmtp,
    )


def _name(text: str) -> str:
    """Return a claimed name with all characters replaced that no host name or literal has."""
    if not text.isascii():
        text = ascii_domain(text)
    return _NOT_IN_NAME.sub("?", text[:_LONGEST_NAME]) or "unknown"


def _from_clause(session: Session) -> str:
    """Return Extended-Domain: the claimed name and the TCP information (RFC 5321 §4.4)."""
    helo = _name(session.helo)
    if not session.address:
        return f"from {helo}"
    # An address literal has the tag "IPv6:" (RFC 5321 §4.1.3).
    tag = "IPv6:" if ":" in session.address else ""
    literal = f"[{tag}{_name(session.address)}]"
    known = f"({_name(session.name)} {literal})" if session.name else f"({literal})"
    joins = len(helo) + len(known) < _LINE - len("Received: from ")
    return f"from {helo}{' ' if joins else _FOLD}{known}"
