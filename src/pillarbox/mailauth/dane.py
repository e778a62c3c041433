"""DANE for SMTP as values: which TLSA records apply, and whether a certificate chain matches one.

``plan`` says what TLSA requires of a connection before it is made; ``match_chain`` judges what the
server presented. Neither queries DNS nor opens anything. Only usages 2 and 3 count (RFC 7672
§3.1.3). RFC 6698 §2, RFC 7671 §5, RFC 7672 §2, §3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from pillarbox.mailauth.certificate_names import names_match
from pillarbox.mailauth.certificate_path import PathError, is_issued_by, path_to_anchor
from pillarbox.mailauth.resolver import Answer, Outcome, TlsaRecord

__all__ = ["ChainMatch", "Plan", "TlsaPlan", "Usage", "match_chain", "plan", "tlsa_name"]

_MAX_RECORDS: Final = 40  # of one name; more is a configuration error
_MAX_CERTIFICATES: Final = 10  # of one chain
_SPKI: Final = 1
_FULL: Final = 0
_DIGESTS: Final = {1: ("sha256", 32), 2: ("sha512", 64)}  # RFC 6698 §2.1.3


class Usage(IntEnum):
    """The certificate usages of TLSA records (RFC 6698 §2.1.1) that SMTP uses."""

    DANE_TA = 2
    DANE_EE = 3


class Plan(Enum):
    """What the TLSA records of a host require of a connection to it (RFC 7672 §2.2)."""

    NOTHING = "nothing"  # no DANE: other policies decide
    AUTHENTICATE = "authenticate"  # TLS, and the chain has to match
    ENCRYPT = "encrypt"  # TLS, but no record can be used to authenticate
    DEFER = "defer"  # unknown: do not try this host now


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsaPlan:
    """The plan for one host, with the usable records and the reason in words."""

    plan: Plan
    records: tuple[TlsaRecord, ...] = ()  # those that can be used
    reason: str = ""
    unusable: tuple[str, ...] = ()  # "3 1 1 abcd...: why", for those that cannot
    result_type: str = ""  # of RFC 8460 §4.3.2, where the plan itself is a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainMatch:
    """Whether a server's certificate chain matches."""

    matches: bool
    reason: str  # in words
    record: TlsaRecord | None = None  # the one that fits
    depth: int = -1  # of the certificate that it fits; 0 is the server's own
    result_type: str = ""  # of RFC 8460 §4.3.2 where nothing fits


def tlsa_name(host: str, port: int = 25) -> str:
    """Return the name of a host's TLSA records (RFC 7672 §2.2.3)."""
    return f"_{port}._tcp.{host.rstrip('.')}"


def plan(answer: Answer[TlsaRecord], *, host_is_secure: bool) -> TlsaPlan:
    """Return what the TLSA records of a mail exchanger require (RFC 7672 §2.1, §2.2).

    Args:
        answer: The DNS answer for ``tlsa_name(host)``.
        host_is_secure: Whether the answers that led to the host were authenticated: its MX record,
            if any, and its addresses. If not, there is no need to query TLSA.
    """
    if not host_is_secure:
        return TlsaPlan(plan=Plan.NOTHING, reason="the host's zone is not signed")
    if answer.outcome is Outcome.UNAVAILABLE:
        # RFC 7672 §2.1.2: an attacker can block answers, so a missing answer permits nothing.
        reason = f"its TLSA records could not be looked up: {answer.reason}"
        return TlsaPlan(plan=Plan.DEFER, reason=reason, result_type="dnssec-invalid")
    if answer.outcome is not Outcome.FOUND:
        return TlsaPlan(plan=Plan.NOTHING, reason="the host has no TLSA records")
    if not answer.is_authenticated:
        return TlsaPlan(plan=Plan.NOTHING, reason="its TLSA records are not signed")
    records: list[TlsaRecord] = []
    unusable: list[str] = []
    for record in answer.records[:_MAX_RECORDS]:
        if problem := _problem(record):
            unusable.append(f"{_shown(record)}: {problem}")
        else:
            records.append(record)
    if records:
        return TlsaPlan(
            plan=Plan.AUTHENTICATE,
            records=tuple(records),
            reason="DANE binds the host",
            unusable=tuple(unusable),
        )
    return TlsaPlan(
        plan=Plan.ENCRYPT,
        reason="none of the host's TLSA records can be used",
        unusable=tuple(unusable),
        result_type="tlsa-invalid",
    )


def match_chain(
    records: Sequence[TlsaRecord], chain: Sequence[bytes], names: Iterable[str], *, now: float
) -> ChainMatch:
    """Return whether a chain matches one of the records.

    Usage 3 checks only the server's own certificate and ignores its names and dates (RFC 7672
    §3.1.1); usage 2 checks the path to the anchor, including names and dates (RFC 7672 §3.1.2).

    Args:
        records: The usable ones, from ``plan``.
        chain: The certificates in DER as the server sent them, its own first.
        names: The reference identifiers: the host, the recipient domain, and their names before
            CNAME expansion (RFC 7672 §3.2.2).
        now: Seconds since 1970.
    """
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain[:_MAX_CERTIFICATES]]
    except (ValueError, UnsupportedAlgorithm):
        return _failure("the server sent a certificate that cannot be read", "validation-failure")
    if not certificates:
        return _failure("the server sent no certificate", "validation-failure")
    for record in records:
        if record.usage == Usage.DANE_EE and _fits(record, certificates[0]):
            reason = f"the server's certificate fits {_shown(record)}"
            return ChainMatch(matches=True, reason=reason, record=record, depth=0)
    failure = _failure("no TLSA record fits the server's certificate", "validation-failure")
    moment = datetime.fromtimestamp(now, UTC)
    wanted = tuple(names)
    for record in records:
        if record.usage == Usage.DANE_TA:
            found = _match_anchor(record, certificates, wanted, moment)
            if found.matches:
                return found
            if found.depth >= 0:  # the anchor was found, so this failure says more
                failure = found
    return failure


def _match_anchor(
    record: TlsaRecord, chain: list[x509.Certificate], names: tuple[str, ...], now: datetime
) -> ChainMatch:
    pool = [*chain[1:], *_published(record)]
    try:
        path = path_to_anchor(
            chain[0],
            pool,
            lambda certificate: _is_anchor(record, certificate, is_leaf=certificate is chain[0]),
            now,
        )
    except PathError as error:
        return _failure(str(error), error.result_type, depth=error.depth)
    if not names_match(chain[0], names):
        reason = f"the server's certificate is not for {' or '.join(names)}"
        return _failure(reason, "certificate-host-mismatch", depth=len(path) - 1)
    reason = f"{_shown(record)} fits what the server's certificate was issued by"
    return ChainMatch(matches=True, reason=reason, record=record, depth=len(path) - 1)


def _is_anchor(record: TlsaRecord, certificate: x509.Certificate, *, is_leaf: bool) -> bool:
    """Whether a certificate is the anchor, or signed by a published bare key.

    Usage 2 names an issuer; the server's own certificate is one only if it is self-issued.
    """
    if _fits(record, certificate) and (not is_leaf or certificate.issuer == certificate.subject):
        return True
    if (record.selector, record.matching) != (_SPKI, _FULL):
        return False
    return is_issued_by(certificate, load_der_public_key(record.data))  # RFC 7671 §5.2.2


def _published(record: TlsaRecord) -> Iterator[x509.Certificate]:
    """Yield the certificate in the record itself, which a server may omit."""
    if (record.selector, record.matching) == (0, _FULL):
        yield x509.load_der_x509_certificate(record.data)


def _fits(record: TlsaRecord, certificate: x509.Certificate) -> bool:
    if record.selector == _SPKI:
        try:
            octets = certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
        except (ValueError, UnsupportedAlgorithm):
            return False
    else:
        octets = certificate.public_bytes(Encoding.DER)
    if record.matching == _FULL:
        return octets == record.data
    return hashlib.new(_DIGESTS[record.matching][0], octets).digest() == record.data


def _problem(record: TlsaRecord) -> str:
    """Return why a record cannot be used, "" if it can (RFC 7671 §4.1, RFC 7672 §3.1)."""
    if record.usage not in (Usage.DANE_TA, Usage.DANE_EE):
        return "only usages 2 and 3 count for SMTP"
    if record.selector not in (0, _SPKI):
        return "its selector is unknown"
    if record.matching in _DIGESTS:
        wanted = _DIGESTS[record.matching][1]
        return "" if len(record.data) == wanted else f"its digest is not {wanted} octets long"
    if record.matching != _FULL:
        return "its matching type is unknown"
    try:
        if record.selector == _SPKI:
            load_der_public_key(record.data)
        else:
            x509.load_der_x509_certificate(record.data)
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        return "its data is neither a certificate nor a key"
    return ""


def _failure(reason: str, result_type: str, *, depth: int = -1) -> ChainMatch:
    return ChainMatch(matches=False, reason=reason, result_type=result_type, depth=depth)


def _shown(record: TlsaRecord) -> str:
    data = record.data.hex()
    shown = data if len(data) <= 16 else f"{data[:16]}..."  # noqa: PLR2004 - enough to find it
    return f"{record.usage} {record.selector} {record.matching} {shown}"
