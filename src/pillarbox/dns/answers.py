"""Turns DNS records into answers, and drops what no honest name server sends.

DNS data is written by strangers: host names with control characters, a thousand mail exchangers,
endless chains of aliases. Names are validated here before anything else sees them; a record with
an invalid name is dropped, and an answer of which nothing remains counts as malformed, which is
never a reason to bounce mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.reversename

from pillarbox.mailauth.resolver import Answer, CaaRecord, MxRecord, Outcome, TlsaRecord
from pillarbox.smtp.address import ascii_domain

__all__ = [
    "ADDRESS",
    "ADDRESS_6",
    "CAA",
    "CNAME",
    "MX",
    "PTR",
    "TLSA",
    "TXT",
    "Kind",
    "both_families",
]

Record = TypeVar("Record")

_MAX_HOSTS: Final = 25  # mail exchangers used; no known domain needs more
_MAX_RECORDS: Final = 100  # records of any other type
# Letters, digits and hyphens (RFC 952, RFC 1123 §2.1); real names hold underscores as well.
_LABEL: Final = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rb"(?=.{1,253}\Z)" + _LABEL + rb"(?:\." + _LABEL + rb")*")
_QUESTION: Final = re.compile(rb"[ -~]{1,253}")


@dataclass(frozen=True, slots=True)
class Kind(Generic[Record]):
    """One record type: its name, and how a record is converted (None: drop it)."""

    type: str
    read: Callable[[Any], Record | None]
    limit: int = _MAX_RECORDS
    is_sorted: bool = False
    may_be_empty: bool = False  # whether unusable records have a meaning, too

    @property
    def rdatatype(self) -> dns.rdatatype.RdataType:
        """The number of the type on the wire."""
        return dns.rdatatype.RdataType[self.type]

    def found(
        self, name: str, rdatas: Iterable[dns.rdata.Rdata], ttl: float, *, authenticated: bool
    ) -> Answer[Record]:
        """Return an answer with the usable ones of ``rdatas``."""
        read = (self.read(rdata) for rdata in rdatas)
        records = [record for record in read if record is not None]
        if not records and not self.may_be_empty:
            return self.unavailable(name, f"{self.type} records with names that cannot be")
        if self.is_sorted:
            records.sort()
        return Answer(
            name=name,
            type=self.type,
            outcome=Outcome.FOUND,
            records=tuple(records[: self.limit]),
            ttl=ttl,
            is_authenticated=authenticated,
        )

    def missing(
        self, name: str, outcome: Outcome, ttl: float, *, authenticated: bool = False
    ) -> Answer[Record]:
        """Return a negative answer."""
        return Answer(
            name=name, type=self.type, outcome=outcome, ttl=ttl, is_authenticated=authenticated
        )

    def unavailable(self, name: str, reason: str) -> Answer[Record]:
        """Return a failure with its reason."""
        return Answer(name=name, type=self.type, outcome=Outcome.UNAVAILABLE, reason=reason)


def question_name(name: str) -> dns.name.Name | None:
    """Return a name for a query, or None if it cannot be queried (RFC 1035 §2.3.4).

    It need not be a host name: SPF macros put local parts into names, so any printable ASCII is
    allowed.
    """
    try:
        octets = ascii_domain(name).rstrip(".").encode("ascii")
        if _QUESTION.fullmatch(octets) is None:
            return None
        return dns.name.Name((*octets.split(b"."), b""))  # by label, without interpreting escapes
    except (dns.exception.DNSException, UnicodeEncodeError):
        return None


def reverse_name(address: str) -> dns.name.Name | None:
    """Return the reverse name of an IP address, None if it is not an IP address."""
    try:
        return dns.reversename.from_address(address)
    except (dns.exception.DNSException, ValueError):
        return None


def both_families(six: Answer[str], four: Answer[str]) -> Answer[str]:
    """Join the answers for AAAA and A, IPv6 first.

    If only one family fails, the addresses of the other one are enough.
    """
    records = six.records + four.records
    found = [answer for answer in (six, four) if answer.outcome is Outcome.FOUND]
    outcomes = {six.outcome, four.outcome}
    if found:
        outcome = Outcome.FOUND
    elif Outcome.UNAVAILABLE in outcomes:
        outcome = Outcome.UNAVAILABLE
    elif Outcome.NO_SUCH_NAME in outcomes:
        outcome = Outcome.NO_SUCH_NAME
    else:
        outcome = Outcome.NO_SUCH_DATA
    return Answer(
        name=six.name,
        type="AAAA/A",
        outcome=outcome,
        records=records,
        ttl=min(answer.ttl for answer in found or (six, four)),
        is_authenticated=all(answer.is_authenticated for answer in found or (six, four)),
        reason=six.reason or four.reason,
    )


def host_text(name: dns.name.Name) -> str | None:
    """Return a host name from the wire in lower case, or None if it is invalid."""
    labels = name.labels[:-1] if name.is_absolute() else name.labels
    octets = b".".join(labels)
    # A dot inside a label would change the label boundaries.
    if any(b"." in label for label in labels) or not _HOST.fullmatch(octets):
        return None
    return octets.decode("ascii").lower()


def _mx(rdata: Any) -> MxRecord | None:
    if rdata.exchange == dns.name.root:
        return MxRecord(rdata.preference, "")  # RFC 7505 §3
    host = host_text(rdata.exchange)
    return None if host is None else MxRecord(rdata.preference, host)


def _address(rdata: Any) -> str:
    return str(rdata.address)


def _txt(rdata: Any) -> bytes:
    return b"".join(rdata.strings)


def _ptr(rdata: Any) -> str | None:
    return host_text(rdata.target)


def _tlsa(rdata: Any) -> TlsaRecord:
    return TlsaRecord(rdata.usage, rdata.selector, rdata.mtype, rdata.cert)


def _caa(rdata: Any) -> CaaRecord:
    tag, value = (part.decode("ascii", "backslashreplace") for part in (rdata.tag, rdata.value))
    return CaaRecord(rdata.flags, tag.lower(), value)


MX: Final = Kind("MX", _mx, limit=_MAX_HOSTS, is_sorted=True)
ADDRESS: Final = Kind("A", _address)
ADDRESS_6: Final = Kind("AAAA", _address)
TXT: Final = Kind("TXT", _txt)
PTR: Final = Kind("PTR", _ptr)
CNAME: Final = Kind("CNAME", _ptr)
CAA: Final = Kind("CAA", _caa)
# A host whose TLSA records are unusable still requires TLS (RFC 7672 §2.2).
TLSA: Final = Kind("TLSA", _tlsa, may_be_empty=True)
