"""An SPF record as a value (RFC 7208 §4.5, §4.6, §5, §6).

A record is parsed completely before any of it is used: one bad term makes all of it a permerror
(RFC 7208 §4.6).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from pillarbox.mailauth.spf.macros import (
    MacroError,
    MacroString,
    parse_domain_spec,
    parse_macro_string,
)
from pillarbox.mailauth.spf.values import Result

__all__ = [
    "IPV4_BITS",
    "IPV6_BITS",
    "Directive",
    "Record",
    "RecordError",
    "is_spf_record",
    "parse_leniently",
    "parse_record",
]

IPV4_BITS: Final = 32
IPV6_BITS: Final = 128

_VERSION: Final = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)  # RFC 7208 §4.5
_QUALIFIERS: Final = {
    "+": Result.PASS,
    "-": Result.FAIL,
    "~": Result.SOFTFAIL,
    "?": Result.NEUTRAL,
}
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_MECHANISM: Final = re.compile(r"([+\-~?]?)([A-Za-z][A-Za-z0-9._-]*)((?:[:/].*)?)", re.DOTALL)
# dual-cidr-length (RFC 7208 §5.6); no leading zeros.
_NUMBER: Final = r"0|[1-9][0-9]{0,2}"
_DUAL_CIDR: Final = re.compile(
    rf"(.*?)(?:/({_NUMBER}))?(?://({_NUMBER}))?", re.DOTALL
)  # the part before it is validated as a domain
_ADDRESS: Final = re.compile(rf"([^/]*)(?:/({_NUMBER}))?")
_KEPT_OCTETS: Final = 2048  # a longer record is not cached, to bound memory
_SHOWN: Final = 60


class RecordError(ValueError):
    """A record breaks the grammar."""

    def __init__(self, term: str, what: str) -> None:
        """Take the term and what is wrong with it."""
        shown = term if len(term) <= _SHOWN else f"{term[:_SHOWN]}..."
        super().__init__(f"{shown}: {what}" if term else what)
        self.term = shown
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A mechanism with the result of a match."""

    text: str
    result: Result
    name: str  # "all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"
    domain: MacroString | None = None  # None: the domain whose record this is
    network: int = 0  # of ip4 and ip6: the address as a number
    prefix4: int = IPV4_BITS
    prefix6: int = IPV6_BITS

    @property
    def asks_dns(self) -> bool:
        """Whether it counts toward the limit of ten (RFC 7208 §4.6.4)."""
        return self.name in _ASKING


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record."""

    text: str
    directives: tuple[Directive, ...]
    redirect: MacroString | None = None
    exp: MacroString | None = None
    unknown: tuple[str, ...] = ()  # modifiers that RFC 7208 does not define; they are ignored

    @property
    def has_all(self) -> bool:
        """Whether a redirect has no effect (RFC 7208 §6.1)."""
        return any(directive.name == "all" for directive in self.directives)


def is_spf_record(record: bytes) -> bool:
    """Whether a TXT record begins with the version of SPF (RFC 7208 §4.5)."""
    return _VERSION.match(record) is not None


def parse_record(record: bytes) -> Record:
    """Read a record that begins with ``v=spf1``.

    Raises:
        RecordError: It breaks the grammar.
    """
    return _parse_kept(record) if len(record) <= _KEPT_OCTETS else _parse(record)


def parse_leniently(record: bytes) -> tuple[Record, tuple[RecordError, ...]]:
    """Parse a record leniently and list its errors: for explanations, not for evaluation."""
    builder = _Builder()
    errors: list[RecordError] = []
    for term in filter(None, record.decode("ascii", "backslashreplace").split(" ")[1:]):
        try:
            builder.add(term)
        except RecordError as error:
            errors.append(error)
    return builder.record(" ".join(["v=spf1", *builder.terms])), tuple(errors)


def _parse(record: bytes) -> Record:
    try:
        text = record.decode("ascii")
    except UnicodeDecodeError:
        raise RecordError("", "it holds octets that are not ASCII") from None
    builder = _Builder()
    for term in filter(None, text.split(" ")[1:]):
        builder.add(term)
    return builder.record(text)


_parse_kept = lru_cache(maxsize=4096)(_parse)


@dataclass(slots=True)
class _Builder:
    """Collects the terms of a record."""

    terms: list[str] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    modifiers: dict[str, MacroString] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def add(self, term: str) -> None:
        """Read one term.

        Raises:
            RecordError: It breaks the grammar.
        """
        if (modifier := _MODIFIER.fullmatch(term)) is not None:
            self._add_modifier(term, modifier[1].lower(), modifier[2])
        else:
            self.directives.append(_directive(term))
        self.terms.append(term)

    def record(self, text: str) -> Record:
        """Return the record."""
        return Record(
            text=text,
            directives=tuple(self.directives),
            redirect=self.modifiers.get("redirect"),
            exp=self.modifiers.get("exp"),
            unknown=tuple(self.unknown),
        )

    def _add_modifier(self, term: str, name: str, value: str) -> None:
        try:
            if name not in {"redirect", "exp"}:
                parse_macro_string(value)  # ignored, but must be valid (RFC 7208 §6)
                self.unknown.append(term)
            elif name in self.modifiers:
                raise RecordError(term, f"{name}= stands twice")  # RFC 7208 §6
            else:
                self.modifiers[name] = parse_domain_spec(value)
        except MacroError as error:
            raise RecordError(term, str(error)) from None


def _directive(term: str) -> Directive:
    found = _MECHANISM.fullmatch(term)
    if found is None:
        raise RecordError(term, "it is no mechanism and no modifier")
    qualifier, name, rest = found[1], found[2].lower(), found[3]
    reader = _READERS.get(name)
    if reader is None:
        raise RecordError(term, f'there is no mechanism "{found[2]}"')
    try:
        return reader(term, _QUALIFIERS[qualifier or "+"], name, rest)
    except MacroError as error:
        raise RecordError(term, str(error)) from None


def _all(term: str, result: Result, name: str, rest: str) -> Directive:
    if rest:
        raise RecordError(term, "all takes no argument")
    return Directive(text=term, result=result, name=name)


def _with_domain(term: str, result: Result, name: str, rest: str) -> Directive:
    """Read include and exists: a domain and nothing else."""
    if not rest.startswith(":"):
        raise RecordError(term, f"{name} needs a domain")
    return Directive(text=term, result=result, name=name, domain=parse_domain_spec(rest[1:]))


def _ptr(term: str, result: Result, name: str, rest: str) -> Directive:
    return (_with_domain if rest else _all)(term, result, name, rest)


def _with_prefixes(term: str, result: Result, name: str, rest: str) -> Directive:
    """Read a and mx: a domain, lengths of prefixes, both, or nothing."""
    found = _DUAL_CIDR.fullmatch(rest)
    if found is None or (found[1] and not found[1].startswith(":")):
        raise RecordError(term, "the length of the prefix cannot be read")
    prefix4 = int(found[2] or IPV4_BITS)
    prefix6 = int(found[3] or IPV6_BITS)
    if prefix4 > IPV4_BITS or prefix6 > IPV6_BITS:
        raise RecordError(term, "the prefix is longer than an address")
    domain = parse_domain_spec(found[1][1:]) if found[1] else None
    return Directive(
        text=term, result=result, name=name, domain=domain, prefix4=prefix4, prefix6=prefix6
    )


def _address(term: str, result: Result, name: str, rest: str) -> Directive:
    """Read ip4 and ip6."""
    found = _ADDRESS.fullmatch(rest[1:]) if rest.startswith(":") else None
    if found is None:
        raise RecordError(term, f"{name} needs an address, with the length of a prefix or without")
    is_ipv4 = name == "ip4"
    bits = IPV4_BITS if is_ipv4 else IPV6_BITS
    prefix = int(found[2] or bits)
    try:
        address = int((IPv4Address if is_ipv4 else IPv6Address)(found[1]))
    except AddressValueError:
        family = "IPv4" if is_ipv4 else "IPv6"
        raise RecordError(term, f'"{found[1]}" is no {family} address') from None
    if prefix > bits or "%" in found[1]:
        raise RecordError(term, "the prefix is longer than an address")
    return Directive(
        text=term,
        result=result,
        name=name,
        network=address,
        prefix4=prefix if is_ipv4 else IPV4_BITS,
        prefix6=IPV6_BITS if is_ipv4 else prefix,
    )


_Reader = Callable[[str, Result, str, str], Directive]
_READERS: Final[dict[str, _Reader]] = {
    "all": _all,
    "include": _with_domain,
    "a": _with_prefixes,
    "mx": _with_prefixes,
    "ptr": _ptr,
    "ip4": _address,
    "ip6": _address,
    "exists": _with_domain,
}
_ASKING: Final = frozenset({"include", "a", "mx", "ptr", "exists"})
