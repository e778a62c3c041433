"""Judges MTA-STS, TLS reporting, DANE and DNSSEC (RFC 8461, RFC 8460, RFC 7672)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pillarbox.checkup.facts.domain import DomainFacts, HostFacts, PolicyFacts
from pillarbox.checkup.remark import Area, Page, Publish, Remark, Status, remarks_of
from pillarbox.mailauth.dane import Plan
from pillarbox.mailauth.mta_sts import Mode, Policy, StsRecord, policy_url, record_name
from pillarbox.mailauth.resolver import Outcome
from pillarbox.mailauth.tls_rpt import parse_addresses, record_name as report_name

__all__ = ["judge_transport"]

_sts_remark = remarks_of(Area.TRANSPORT, "PB-STS")
_report_remark = remarks_of(Area.TRANSPORT, "PB-TLSRPT")
_dane_remark = remarks_of(Area.TRANSPORT, "PB-DANE")

_TESTING_AGE = 604_800  # a week, while it is tried
_SHORT_AGE = 86_400  # seconds; RFC 8461 §3.2 thinks of weeks


def judge_transport(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said of a domain that takes mail."""
    if facts.is_null_mx:
        return
    yield from _sts(facts)
    yield from _reports(facts)
    yield from _dane(facts)


def _sts(facts: DomainFacts) -> Iterator[Remark]:
    found = facts.sts
    if found is None or found.answer.outcome is Outcome.UNAVAILABLE:
        reason = found.answer.reason if found is not None else "no answer in time"
        yield _sts_remark(Status.SKIP, 1, f"MTA-STS could not be looked up: {reason}")
    elif found.problem:
        yield _sts_remark(
            Status.WARN,
            2,
            f"The MTA-STS record cannot be used: {found.problem}",
            "Senders behave as if the domain had no policy (RFC 8461 §3.1).",
            "Publish one record, with a new id whenever the policy changes.",
            tuple(text.decode("utf-8", "backslashreplace") for text in found.answer.records),
            points=4,
            publish=_record(facts, _suggested(facts)),
        )
    elif found.record is None:
        yield from _missing(facts)
    else:
        yield from _policy(facts, found)


def _missing(facts: DomainFacts) -> Iterator[Remark]:
    remark = _sts_remark(
        Status.INFO,
        3,
        "There is no MTA-STS policy",
        "Without it, or DANE, anyone on the path can make senders go on without TLS.",
        f"Serve a policy at {policy_url(facts.domain)}, first with mode: testing; then publish the"
        " record.",
        points=0 if _has_dane(facts) else 3,
    )
    policy = _suggested(facts)
    if not policy.mx or _has_dane(facts):
        yield remark
        return
    page = Page(policy_url(facts.domain), str(policy))
    yield replace(remark, publish=_record(facts, policy), page=page)


def _suggested(facts: DomainFacts) -> Policy:
    """Return the policy to begin with: it lists the exchangers, and asks for reports only."""
    hosts = tuple(host.name for host in facts.hosts or ())
    return Policy(mode=Mode.TESTING, max_age=_TESTING_AGE, mx=hosts)


def _record(facts: DomainFacts, policy: Policy) -> tuple[Publish, ...]:
    return (Publish(record_name(facts.domain), "TXT", str(StsRecord.of(policy))),)


def _policy(facts: DomainFacts, found: PolicyFacts) -> Iterator[Remark]:
    policy = found.policy
    if found.untested:
        what = f"The MTA-STS policy was not fetched: {found.untested}"
        yield _sts_remark(Status.SKIP, 4, what)
    elif policy is None and _is_unreachable(found.failure):
        yield _sts_remark(
            Status.SKIP, 4, f"The MTA-STS policy could not be fetched: {found.failure}"
        )
    elif policy is None:
        yield _sts_remark(
            Status.FAIL,
            5,
            f"There is an MTA-STS record but no usable policy: {found.failure}",
            "Senders cannot learn the policy; those that have an old one follow that.",
            f"Serve the policy at {policy_url(facts.domain)}, as text/plain, under a"
            f" certificate for mta-sts.{facts.domain}; without a redirect.",
            points=6,
        )
    else:
        yield from _match(facts, policy)


def _is_unreachable(failure: str) -> bool:
    """Whether nothing was learned: it may be this host's network."""
    return "did not answer within" in failure or "Network is unreachable" in failure


def _match(facts: DomainFacts, policy: Policy) -> Iterator[Remark]:
    hosts = [host.name for host in facts.hosts or ()]
    strangers = [name for name in hosts if not policy.matches(name)]
    evidence = (f"policy: {' '.join(policy.mx) or '-'}", f"MX: {' '.join(hosts) or '-'}")
    if policy.mode is not Mode.NONE and strangers:
        is_enforced = policy.mode is Mode.ENFORCE
        mended = replace(policy, mx=(*policy.mx, *strangers))
        remark = _sts_remark(
            Status.FAIL if is_enforced else Status.WARN,
            6,
            f"The MTA-STS policy does not list {', '.join(strangers)}",
            "Senders that honor it do not deliver to that exchanger."
            if is_enforced
            else "Under mode: enforce, senders would not deliver to that exchanger.",
            "Add " + ", ".join(f"“mx: {name}”" for name in strangers) + " to the policy, then"
            " give the record a new id.",
            evidence,
            points=8 if is_enforced else 4,
            publish=_record(facts, mended),
        )
        yield replace(remark, page=Page(policy_url(facts.domain), str(mended)))
        return
    modes = {
        Mode.ENFORCE: (Status.PASS, 0, "is enforced"),
        Mode.TESTING: (Status.INFO, 1, "is under test (mode: testing)"),
        Mode.NONE: (Status.INFO, 3, "is switched off (mode: none)"),
    }
    status, points, words = modes[policy.mode]
    yield _sts_remark(status, 7, f"The MTA-STS policy {words}", evidence=evidence, points=points)
    if policy.mode is Mode.ENFORCE and policy.max_age < _SHORT_AGE:
        yield _sts_remark(
            Status.WARN,
            8,
            f"The MTA-STS policy is valid for only {policy.max_age} s",
            "It protects only senders that deliver more often than that.",
            "Set max_age to a few weeks, such as 1209600 (two weeks).",
            points=2,
        )


def _reports(facts: DomainFacts) -> Iterator[Remark]:
    answer, name = facts.tls_rpt, report_name(facts.domain)
    if answer is None or answer.outcome is Outcome.UNAVAILABLE:
        reason = answer.reason if answer is not None else "no answer in time"
        yield _report_remark(Status.SKIP, 1, f"{name} could not be looked up: {reason}")
        return
    texts = tuple(text.decode("utf-8", "backslashreplace") for text in answer.records)
    publish = (Publish(name, "TXT", f"v=TLSRPTv1; rua=mailto:tls-reports@{facts.domain}"),)
    if addresses := parse_addresses(answer.records):
        yield _report_remark(Status.PASS, 2, f"TLS reports go to {', '.join(addresses)}")
    elif any(text.lower().startswith("v=tlsrpt") for text in texts):
        yield _report_remark(
            Status.WARN,
            3,
            "The record for TLS reports cannot be used",
            "Nobody reports sessions that fail (RFC 8460 §3).",
            "Publish one record with a mailto: or https: address.",
            texts,
            points=2,
            publish=publish,
        )
    else:
        yield _report_remark(
            Status.INFO,
            4,
            "Nobody reports TLS sessions that fail (no TLS-RPT record)",
            points=1,
            publish=publish,
        )


def _dane(facts: DomainFacts) -> Iterator[Remark]:
    hosts = facts.hosts
    if hosts is None:
        yield _dane_remark(Status.SKIP, 1, "TLSA records could not be looked up in time")
        return
    for host in hosts:
        yield from _dane_of(host)
    if hosts and not any(host.tlsa.outcome is Outcome.FOUND for host in hosts):
        signed = facts.mx is not None and facts.mx.is_authenticated
        yield _dane_remark(
            Status.INFO,
            2,
            "The zone is signed (DNSSEC), and no exchanger has TLSA records"
            if signed
            else "No DANE, and the resolver vouches for no DNSSEC",
            "" if signed else "Either the zone is not signed or the resolver does not validate.",
        )


def _dane_of(host: HostFacts) -> Iterator[Remark]:
    shown = tuple(map(str, host.tlsa.records))
    if host.dane.plan is Plan.AUTHENTICATE:
        what = f"DANE binds {host.name} with {len(host.dane.records)} TLSA record(s)"
        yield _dane_remark(Status.PASS, 3, what, evidence=shown)
    elif host.dane.plan is Plan.DEFER:
        yield _dane_remark(Status.SKIP, 1, f"{host.name}: {host.dane.reason}")
    elif host.dane.plan is Plan.ENCRYPT:
        yield _dane_remark(
            Status.FAIL,
            4,
            f"No TLSA record of {host.name} can be used",
            "Senders with DANE cannot tell the host from an attacker (RFC 7672 §2.2).",
            "Publish 3 1 1 and the SHA-256 of the certificate's public key.",
            host.dane.unusable,
            points=6,
        )
    elif host.tlsa.outcome is Outcome.FOUND:
        yield _dane_remark(
            Status.WARN,
            5,
            f"{host.name} has TLSA records, but DNSSEC does not vouch for them",
            "Senders ignore TLSA records of a zone that is not signed. Or the resolver asked"
            " here does not validate.",
            "Sign the zone, or ask a validating resolver with --resolver.",
            shown,
            points=2,
        )


def _has_dane(facts: DomainFacts) -> bool:
    return any(host.dane.plan is Plan.AUTHENTICATE for host in facts.hosts or ())
