"""The sources of a domain's mail, compiled from the rows of many reports."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_network
from typing import Final

from pillarbox.mailauth.dmarc.suffixes import ListedSuffixes, Suffixes
from pillarbox.mailauth.dmarc_report import Row
from pillarbox.policy.networks import Network, TrustedNetworks, parse_address
from pillarbox.reports.digest.senders import KnownSender, known_sender

__all__ = ["Source", "Standing", "find_sources"]

_LISTS: Final = frozenset({"mailing_list", "trusted_forwarder"})
_NETWORKS: Final = ("/24", "/48")  # nobody has less that can be told apart
_SUFFIXES: Final = ListedSuffixes()


class Standing(Enum):
    """What a source is to the domain, as far as reports can tell."""

    ALIGNED = "aligned"  # all of its mail passes
    PARTLY = "partly aligned"
    SERVICE = "not aligned"  # a known service whose mail does not pass: set up half
    OWN = "yours, not aligned"  # the domain's own names or records speak for it
    FORWARDED = "forwarded"  # mail that others passed on; the domain can do nothing about it
    UNKNOWN = "unknown"  # nothing speaks for it: forged, or forgotten


@dataclass(slots=True)
class Source:
    """Everything that comes from one sender."""

    name: str
    known: KnownSender | None = None
    addresses: Counter[str] = field(default_factory=Counter)
    host_names: Counter[str] = field(default_factory=Counter)
    signers: Counter[str] = field(default_factory=Counter)  # of signatures that passed
    envelopes: Counter[str] = field(default_factory=Counter)  # domains that SPF passed
    strangers: Counter[str] = field(default_factory=Counter)  # signers of mail that failed
    strange_envelopes: Counter[str] = field(default_factory=Counter)  # of mail that failed
    authors: Counter[str] = field(default_factory=Counter)  # domains of From
    dispositions: Counter[str] = field(default_factory=Counter)
    passed: int = 0
    failed: int = 0
    by_dkim: int = 0  # of those that passed
    by_spf: int = 0
    listed: int = 0  # failed, and the receiver says that a list or a forwarder was in between
    is_own: bool = False

    @property
    def total(self) -> int:
        """How many messages."""
        return self.passed + self.failed

    @property
    def standing(self) -> Standing:
        """What it is to the domain."""
        if self.known is not None and self.known.is_forwarder:
            return Standing.FORWARDED
        if not self.failed:
            return Standing.ALIGNED
        if self.listed * 2 > self.failed:
            return Standing.FORWARDED
        if self.passed:
            return Standing.PARTLY
        if self.known is not None:
            return Standing.SERVICE
        return Standing.OWN if self.is_own else Standing.UNKNOWN

    def count(self, row: Row, host_name: str) -> None:
        """Add a row of a report."""
        self.addresses[row.source_ip] += row.count
        if host_name:
            self.host_names[host_name] += row.count
        for mark in row.dkim_auth:
            if mark.result == "pass":
                self.signers[mark.domain] += row.count
                self.strangers[mark.domain] += row.count * (not row.passes)
        for sender in row.spf_auth:
            if sender.result == "pass":
                self.envelopes[sender.domain] += row.count
                self.strange_envelopes[sender.domain] += row.count * (not row.passes)
        self.authors[row.header_from] += row.count
        self.dispositions[row.disposition] += row.count
        self.by_dkim += row.count * (row.dkim == "pass")
        self.by_spf += row.count * (row.spf == "pass")
        if row.passes:
            self.passed += row.count
        else:
            self.failed += row.count
            self.listed += row.count * any(reason.type in _LISTS for reason in row.reasons)


def find_sources(
    rows: Iterable[Row],
    domain: str,
    host_names: Mapping[str, str],
    own: Iterable[Network] = (),
    suffixes: Suffixes = _SUFFIXES,
) -> list[Source]:
    """Put rows together by who sent them, the most mail first.

    Args:
        rows: Of all reports about a domain.
        domain: The domain.
        host_names: Confirmed names of addresses, as far as they are known.
        own: Networks of the domain's owner.
        suffixes: Knows where registrations end.
    """
    networks = TrustedNetworks(own)
    sources: dict[str, Source] = {}
    names: dict[str, str] = defaultdict(str, host_names)
    for row in rows:
        host_name = names[row.source_ip].lower().rstrip(".")
        passing = [mark.domain for mark in row.dkim_auth if mark.result == "pass"]
        envelopes = [mark.domain for mark in row.spf_auth if mark.result == "pass"]
        known = known_sender(filter(None, (host_name, *envelopes, *passing)))
        is_ours = row.source_ip in networks
        is_ours = is_ours or f".{host_name}".endswith(f".{domain}")
        is_spoken_for = row.passes or _is_spoken_for(row)
        if is_ours:
            name = f"your own servers ({domain})"
        elif known is not None:
            name = known.name
        elif host_name:
            name = suffixes.organizational_domain(host_name) or host_name
        else:
            name = row.source_ip if is_spoken_for else _network(row.source_ip)
        source = sources.get(name)
        if source is None:
            source = sources[name] = Source(name, known)
        source.is_own |= is_ours or is_spoken_for
        source.count(row, host_name)
    for source in sources.values():
        if len(source.addresses) == 1 and source.name.endswith(_NETWORKS):
            source.name = next(iter(source.addresses))
    return sorted(sources.values(), key=lambda source: -source.total)


def _network(address: str) -> str:
    """Return the network of an address that nothing else is known of."""
    parsed = parse_address(address)
    if parsed is None:
        return address
    return str(ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))  # noqa: PLR2004


def _is_spoken_for(row: Row) -> bool:
    """Whether the domain itself lets the source send, though this did not make mail pass."""
    spf = (mark.domain for mark in row.spf_auth if mark.result == "pass")
    dkim = (mark.domain for mark in row.dkim_auth if mark.result == "pass")
    return any(_are_related(domain, row.header_from) for domain in (*spf, *dkim))


def _are_related(one: str, other: str) -> bool:
    return f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")
