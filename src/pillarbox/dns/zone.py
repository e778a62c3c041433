"""A resolver that answers from a zone file only.

The file is a master file (RFC 1035 §5.1) with ``$ORIGIN`` and ``$TTL``; it may contain any number
of zones, and names outside of them. Wildcards (RFC 4592) and aliases work as in DNS.

SOA records mark the zones that the file contains completely: an unlisted name outside of them gets
no answer. A file without SOA records covers all names. Special comments apply to a name and
everything below it::

    ;! fail broken.example      ; SERVFAIL
    ;! timeout silent.example   ; no answer until the timeout
    ;! signed safe.example      ; answers are authenticated, as by DNSSEC
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tokenizer
import dns.ttl
import dns.zonefile

from pillarbox.dns.answers import (
    ADDRESS,
    ADDRESS_6,
    Kind,
    both_families,
    question_name,
)
from pillarbox.dns.lookups import Lookups
from pillarbox.errors import PermanentError
from pillarbox.mailauth.resolver import Answer, Outcome

__all__ = ["ZoneResolver"]

Record = TypeVar("Record")

_DEFAULT_TTL: Final = 300
_MAX_ALIASES: Final = 16
_OF_TOP_LEVEL: Final = 3  # labels of a name such as _dmarc.com, the root's included
_MAX_TTL: Final = 2.0**31 - 1  # RFC 2181 §8
_MARK: Final = re.compile(r"^\s*;!\s*(fail|timeout|signed)\s+(\S+)", re.MULTILINE)
_WILDCARD: Final = b"*"


@dataclass(slots=True)
class _Zones:
    """The content of a file."""

    records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset]
    names: set[dns.name.Name] = field(default_factory=set)  # all, even empty non-terminals
    marks: dict[dns.name.Name, str] = field(default_factory=dict)  # of the special comments
    signed: set[dns.name.Name] = field(default_factory=set)
    apexes: set[dns.name.Name] = field(default_factory=set)  # of complete zones


class ZoneResolver(Lookups):
    """Answers from the text of a zone file."""

    def __init__(self, text: str, *, timeout: float = 5.0) -> None:
        """Answer from ``text``; names marked ``timeout`` take ``timeout`` seconds.

        Raises:
            PermanentError: The text is not a zone file; the message names the line.
        """
        self._zones = _parse(text)
        self._timeout = timeout
        self._path: Path | None = None

    @classmethod
    def from_file(cls, path: Path, *, timeout: float = 5.0) -> Self:
        """Answer from a file.

        Raises:
            PermanentError: The file cannot be read or is not a zone file.
        """
        resolver = cls(_read(path), timeout=timeout)
        resolver._path = path
        return resolver

    def reload(self) -> None:
        """Read the file again; when that fails, the old answers stay.

        Raises:
            PermanentError: The file cannot be read or is not a zone file.
        """
        if self._path is not None:
            self.replace(_read(self._path))

    def replace(self, text: str) -> None:
        """Use another text from now on.

        Raises:
            PermanentError: The text is not a zone file.
        """
        self._zones = _parse(text)

    async def addresses(self, name: str) -> Answer[str]:
        """Return the IPv6 and IPv4 addresses of a host, as text, CNAMEs followed."""
        question = question_name(name)
        six = await self._ask(name, question, ADDRESS_6)
        if six.outcome is Outcome.UNAVAILABLE:
            return six
        return both_families(six, await self._ask(name, question, ADDRESS))

    async def _ask(
        self, name: str, question: dns.name.Name | None, kind: Kind[Record]
    ) -> Answer[Record]:
        zones = self._zones
        if question is None:
            return kind.missing(name, Outcome.NO_SUCH_NAME, _DEFAULT_TTL)
        ttl, signed = _MAX_TTL, True
        for _ in range(_MAX_ALIASES):
            signed = signed and not zones.signed.isdisjoint(_upward(question))
            match _mark(zones, question):
                case "fail":
                    return kind.unavailable(name, "answered SERVFAIL")
                case "timeout":
                    await asyncio.sleep(self._timeout)
                    return kind.unavailable(name, "timed out")
            owner = _owner(zones, question)
            if owner is None and _is_elsewhere(zones, question):
                return kind.unavailable(name, "is in no zone of the file")
            if owner is None:
                negative = _negative_ttl(zones, question)
                return kind.missing(name, Outcome.NO_SUCH_NAME, negative, authenticated=signed)
            if (rrset := zones.records.get((owner, kind.rdatatype))) is not None:
                return kind.found(name, rrset, min(ttl, rrset.ttl), authenticated=signed)
            alias = zones.records.get((owner, dns.rdatatype.CNAME))
            if alias is None:
                negative = _negative_ttl(zones, question)
                return kind.missing(name, Outcome.NO_SUCH_DATA, negative, authenticated=signed)
            ttl = min(ttl, alias.ttl)
            target: Any = alias[0]
            question = target.target
        return kind.unavailable(name, f"more than {_MAX_ALIASES} aliases")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PermanentError(f"cannot read the zone file {path}: {error}") from error


def _parse(text: str) -> _Zones:
    zones = _Zones({})
    try:
        for origin, ttl, section in _sections(text):
            for rrset in _rrsets(origin, ttl, section):
                kept = zones.records.setdefault((rrset.name, rrset.rdtype), rrset)
                kept.update(rrset)  # type: ignore[no-untyped-call]
                zones.names.update(_upward(rrset.name))
                if rrset.rdtype is dns.rdatatype.SOA:
                    zones.apexes.add(rrset.name)
        for mark, name in _MARK.findall(text):
            if mark == "signed":
                zones.signed.add(dns.name.from_text(name))
            else:
                zones.marks[dns.name.from_text(name)] = mark
    except (dns.exception.DNSException, ValueError) as error:
        raise PermanentError(f"not a zone file: {error}") from error
    return zones


def _sections(text: str) -> Iterator[tuple[dns.name.Name, str, str]]:
    """Split a file where its origin changes, because dnspython reads one zone at a time.

    Yields the origin, the default TTL, and the text, padded so that line numbers in errors are
    right.
    """
    origin, ttl = dns.name.root, str(_DEFAULT_TTL)
    lines: list[str] = []
    for number, line in enumerate(text.splitlines()):
        directive = line.split(";")[0].split()
        if directive[:1] == ["$ORIGIN"] and len(directive) == 2:  # noqa: PLR2004 - and its name
            yield origin, ttl, "\n".join(lines)
            origin = dns.name.from_text(directive[1], origin)
            lines = [""] * (number + 1)
        else:
            lines.append(line)
            if directive[:1] == ["$TTL"] and len(directive) == 2:  # noqa: PLR2004
                ttl = directive[1]
    yield origin, ttl, "\n".join(lines)


def _rrsets(origin: dns.name.Name, ttl: str, text: str) -> list[dns.rrset.RRset]:
    manager = dns.zonefile.RRSetsReaderManager(origin, relativize=False)
    writer: Any = manager.writer  # not typed by dnspython
    with writer(True) as transaction:  # noqa: FBT003 - what it reads replaces what was there
        reader = dns.zonefile.Reader(
            dns.tokenizer.Tokenizer(text, "line"),
            dns.rdataclass.IN,
            transaction,
            allow_directives={"$TTL"},
            default_ttl=dns.ttl.from_text(ttl),
        )
        # Otherwise names outside the origin would be dropped silently.
        reader.zone_origin = dns.name.root
        reader.read()
    return manager.rrsets


def _upward(name: dns.name.Name) -> Iterator[dns.name.Name]:
    """Yield a name and its ancestors, without the root."""
    while name != dns.name.root:
        yield name
        name = name.parent()


def _mark(zones: _Zones, question: dns.name.Name) -> str | None:
    if not zones.marks:
        return None
    return next((mark for name in _upward(question) if (mark := zones.marks.get(name))), None)


def _is_elsewhere(zones: _Zones, question: dns.name.Name) -> bool:
    """Whether nothing can be said of a name, as it is in no zone of the file.

    The policy for DMARC that a top-level domain might have (RFC 9989 §4.10) is taken to be missing:
    a domain without a record would otherwise never be told so.
    """
    if not zones.apexes or not zones.apexes.isdisjoint(_upward(question)):
        return False
    return not (len(question) == _OF_TOP_LEVEL and question[0].lower() == b"_dmarc")


def _owner(zones: _Zones, question: dns.name.Name) -> dns.name.Name | None:
    """Return the name whose records answer: itself, or the wildcard that covers it."""
    if question in zones.names:
        return question
    for above in (*_upward(question.parent()), dns.name.root):
        if above in zones.names or above == dns.name.root:  # closest encloser (RFC 4592 §3.3.1)
            wildcard = dns.name.Name((_WILDCARD, *above.labels))
            return wildcard if wildcard in zones.names else None
    return None


def _negative_ttl(zones: _Zones, question: dns.name.Name) -> float:
    """Return how long a negative answer may be cached (RFC 2308 §5)."""
    for name in _upward(question):
        if (rrset := zones.records.get((name, dns.rdatatype.SOA))) is not None:
            soa: Any = rrset[0]
            return float(min(rrset.ttl, soa.minimum))
    return float(_DEFAULT_TTL)
