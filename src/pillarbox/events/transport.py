"""Events about TLS in delivery and its policies; ``events.types`` lists them with all others."""

from __future__ import annotations

from msgspec import field

from pillarbox.events.event import Event

__all__ = ["StsPolicyFetched", "StsPolicyNotFetched", "TlsSessionMade"]


class StsPolicyFetched(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="sts.policy_fetched"
):
    """The MTA-STS policy of a destination was fetched, and is in force (RFC 8461)."""

    domain: str
    mode: str  # "enforce", "testing", "none"


class StsPolicyNotFetched(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="sts.policy_not_fetched"
):
    """A published MTA-STS policy could not be fetched; an older one stays in force."""

    domain: str
    reason: str
    result: str = ""  # as a TLS report calls it (RFC 8460 §4.3.2.2)


class TlsSessionMade(Event, frozen=True, kw_only=True, omit_defaults=True, tag="tls.session"):
    """A TLS attempt with a mail exchanger, required by a policy or opportunistic."""

    destination: str  # the recipients' domain
    host: str
    address: str
    policy: str  # "tlsa", "sts", "no-policy-found" (RFC 8460 §4.2), "configured"
    result: str = ""  # "" for success, else the result type of RFC 8460 §4.3
    reason: str = ""
    source: str = ""  # our own address, if the route sets it
    policy_lines: list[str] = field(default_factory=list)  # of the policy, or its TLSA records
