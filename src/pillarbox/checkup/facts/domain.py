"""The facts about a domain; None means that no answer came in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pillarbox.checkup.facts.listing import Listing
from pillarbox.checkup.facts.smtp import Probe
from pillarbox.checkup.signatures.signers import Signer
from pillarbox.mailauth import dmarc, mta_sts
from pillarbox.mailauth.bimi import Bimi
from pillarbox.mailauth.dane import TlsaPlan
from pillarbox.mailauth.iprev import Iprev
from pillarbox.mailauth.resolver import Answer, CaaRecord, MxRecord, TlsaRecord
from pillarbox.mailauth.spf import Result, Survey

__all__ = ["DomainFacts", "HostFacts", "PolicyFacts", "SelectorFacts", "Sender"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One mail exchanger."""

    name: str
    preference: int
    addresses: Answer[str]
    alias: Answer[str]  # CNAME
    tlsa: Answer[TlsaRecord]
    dane: TlsaPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorFacts:
    """What is published under a DKIM selector."""

    selector: str
    provider: str  # whose usual selector it is; "" for one that was asked for
    answer: Answer[bytes]
    alias: str = ""  # what the name is an alias of, where that has no key


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """What MTA-STS says."""

    answer: Answer[bytes]  # of the record
    record: mta_sts.StsRecord | None = None
    problem: str = ""  # of the record
    policy: mta_sts.Policy | None = None
    failure: str = ""  # why there is no policy, though there is a record
    untested: str = ""  # why the policy was not asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """An address that mail of the domain comes from, as far as can be told."""

    address: str
    source: str  # the SPF term, "MX", or "--ip"
    iprev: Iprev


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """All that is known of a domain."""

    domain: str
    mx: Answer[MxRecord] | None = None
    hosts: tuple[HostFacts, ...] | None = None  # that of the domain itself where it has no MX
    spf: Survey | None = None
    selectors: tuple[SelectorFacts, ...] | None = None
    signers: tuple[Signer, ...] | None = None  # of a message at hand; None: there is none
    dmarc: dmarc.Explanation | None = None
    strays: Mapping[str, Answer[bytes]] = field(default_factory=dict)  # where they do not belong
    sts: PolicyFacts | None = None
    tls_rpt: Answer[bytes] | None = None
    bimi: Bimi | None = None
    logo_was_fetched: bool = False
    caa: Answer[CaaRecord] | None = None  # of the closest name with such records
    asked_caa: bool = False
    asked_lists: bool = False
    listings: tuple[Listing, ...] | None = None  # of block lists
    senders: tuple[Sender, ...] | None = None
    probes: dict[str, Probe] | None = None  # of exchangers on port 25, by name; None: not dialed
    at: float = 0.0  # seconds since 1970

    @property
    def is_null_mx(self) -> bool:
        """Whether the domain says that it takes no mail (RFC 7505)."""
        return self.mx is not None and [one.host for one in self.mx.records] == [""]

    @property
    def sends_nothing(self) -> bool:
        """Whether the domain's SPF record names no sender at all."""
        record = self.spf.record if self.spf is not None else None
        return (
            record is not None
            and record.redirect is None
            and [one.name for one in record.directives] == ["all"]
            and record.directives[0].result is Result.FAIL
        )
