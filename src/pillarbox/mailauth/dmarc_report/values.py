"""The values of a DMARC aggregate report (RFC 9990 §3.1; RFC 7489 appendix C)."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "DkimAuth",
    "OverrideReason",
    "PublishedPolicy",
    "Report",
    "Row",
    "SpfAuth",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPolicy:
    """The record that the reporter found."""

    domain: str  # the policy domain
    p: str = "none"
    sp: str = ""  # "" where it was not said
    np: str = ""
    adkim: str = ""  # "r" or "s"
    aspf: str = ""
    fo: str = ""
    testing: str = ""  # the tag t, "y" or "n"
    discovery_method: str = ""  # "treewalk" or "psl"
    pct: str = ""  # only in the older form


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """Why a reporter did not apply the requested policy."""

    type: str  # "local_policy", "mailing_list", "policy_test_mode", "trusted_forwarder", "other"
    comment: str = ""


@dataclass(frozen=True, slots=True)
class DkimAuth:
    """The result of one DKIM signature, whether aligned or not."""

    domain: str
    selector: str
    result: str
    human_result: str = ""


@dataclass(frozen=True, slots=True)
class SpfAuth:
    """The SPF result, whether aligned or not."""

    domain: str
    result: str
    scope: str = "mfrom"
    human_result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Messages that agree in everything that is reported."""

    source_ip: str
    count: int
    disposition: str  # "none", "pass", "quarantine" or "reject"
    dkim: str  # "pass" or "fail": whether a signature passed for an aligned domain
    spf: str
    header_from: str
    envelope_from: str = ""
    envelope_to: str = ""
    reasons: tuple[OverrideReason, ...] = ()
    dkim_auth: tuple[DkimAuth, ...] = ()
    spf_auth: tuple[SpfAuth, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether DMARC passed."""
        return "pass" in {self.dkim, self.spf}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report: what one receiver saw of one policy domain in one period."""

    organization: str  # who reports
    email: str
    report_id: str
    begin: int  # seconds since 1970
    end: int
    policy: PublishedPolicy
    rows: tuple[Row, ...] = ()
    contact: str = ""
    generator: str = ""
    errors: tuple[str, ...] = field(default=())

    @property
    def messages(self) -> int:
        """How many messages are reported."""
        return sum(row.count for row in self.rows)

    @property
    def passed(self) -> int:
        """For how many of them DMARC passed."""
        return sum(row.count for row in self.rows if row.passes)
