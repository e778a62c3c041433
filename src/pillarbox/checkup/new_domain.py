"""The DNS records that a new mail domain needs, with reasons, in the order to publish them.

Pure. A domain that sends starts with ``p=none`` and ``mode: testing``; a domain that does not send
is closed at once: null MX (RFC 7505), ``-all``, ``p=reject``, and no keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from pillarbox.checkup.remark import Publish
from pillarbox.mailauth.mta_sts import Mode, Policy, StsRecord, policy_host, record_name
from pillarbox.mailauth.tls_rpt import record_name as report_name

__all__ = ["NewDomain", "Planned", "policy_of", "records_of"]

_MAX_AGE = 604_800  # seconds: a week, while the policy is tested
_STEP = 10  # between the preferences of exchangers


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDomain:
    """What the domain is to do."""

    domain: str
    host: str = ""  # the mail server's name; "" for mail.DOMAIN
    addresses: tuple[str, ...] = ()  # of that server; () where its records are there already
    exchangers: tuple[str, ...] = ()  # others that take the mail; () for the server itself
    includes: tuple[str, ...] = ()  # of providers that send for the domain, for SPF
    keys: tuple[Publish, ...] = ()  # of DKIM
    reports: str = ""  # the address for reports; "" for postmaster@DOMAIN
    authority: str = "letsencrypt.org"  # who may issue certificates; "" for anybody
    has_mail: bool = True

    @property
    def server(self) -> str:
        """The mail server's name."""
        return self.host or f"mail.{self.domain}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Who takes the mail."""
        return self.exchangers or (self.server,)


@dataclass(frozen=True, slots=True)
class Planned:
    """One record, and why it is there."""

    publish: Publish
    why: str


def records_of(plan: NewDomain) -> tuple[Planned, ...]:
    """Return all records, in the order in which they are published best."""
    return tuple(_mail(plan) if plan.has_mail else _no_mail(plan.domain))


def policy_of(plan: NewDomain) -> Policy:
    """Return the MTA-STS policy that goes with the records, to be served as a page."""
    return Policy(mode=Mode.TESTING, max_age=_MAX_AGE, mx=plan.hosts)


def _mail(plan: NewDomain) -> Iterator[Planned]:
    domain, reports = plan.domain, plan.reports or f"postmaster@{plan.domain}"
    for address in plan.addresses:
        kind = "AAAA" if ":" in address else "A"
        yield Planned(Publish(plan.server, kind, address), "the mail server")
    for address in plan.addresses:
        name = ip_address(address).reverse_pointer
        why = "reverse DNS, set at who gives you the address: without it, much mail is refused"
        yield Planned(Publish(name, "PTR", f"{plan.server}."), why)
    for number, host in enumerate(plan.hosts, 1):
        yield Planned(Publish(domain, "MX", f"{number * _STEP} {host}."), "who takes the mail")
    yield Planned(Publish(domain, "TXT", _spf(plan)), "who may send (SPF)")
    for key in plan.keys:
        yield Planned(key, "the key of the signatures (DKIM)")
    dmarc = f"v=DMARC1; p=none; rua=mailto:{reports}"
    why = "what receivers do with forged mail (DMARC): first only reports; p=reject once they are clean"
    yield Planned(Publish(f"_dmarc.{domain}", "TXT", dmarc), why)
    yield from _transport(plan, reports)


def _spf(plan: NewDomain) -> str:
    own = [f"ip{6 if ':' in address else 4}:{address}" for address in plan.addresses]
    if not own and not plan.includes:
        own = ["mx"]
    return " ".join(["v=spf1", *own, *(f"include:{name}" for name in plan.includes), "~all"])


def _transport(plan: NewDomain, reports: str) -> Iterator[Planned]:
    domain = plan.domain
    yield Planned(
        Publish(report_name(domain), "TXT", f"v=TLSRPTv1; rua=mailto:{reports}"),
        "who is told of TLS that fails",
    )
    for address in plan.addresses:
        kind = "AAAA" if ":" in address else "A"
        yield Planned(Publish(policy_host(domain), kind, address), "shows the policy below")
    yield Planned(
        Publish(record_name(domain), "TXT", str(StsRecord.of(policy_of(plan)))),
        "that there is a policy for TLS (MTA-STS); a new id at each change of it",
    )
    if plan.authority:
        yield Planned(
            Publish(domain, "CAA", f'0 issue "{plan.authority}"'),
            "who may issue certificates",
        )


def _no_mail(domain: str) -> Iterator[Planned]:
    yield Planned(Publish(domain, "MX", "0 ."), "takes no mail (RFC 7505)")
    yield Planned(Publish(domain, "TXT", "v=spf1 -all"), "sends no mail")
    yield Planned(Publish(f"*._domainkey.{domain}", "TXT", "v=DKIM1; p="), "has no keys")
    why = "mail that says otherwise is forged"
    yield Planned(Publish(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=reject; sp=reject"), why)
