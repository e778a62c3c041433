"""Judges whether the exchangers on port 25 match the domain's MTA-STS and DANE records."""

from __future__ import annotations

from collections.abc import Iterator

from pillarbox.checkup.facts.domain import DomainFacts, HostFacts
from pillarbox.checkup.facts.smtp import Probe, Stage
from pillarbox.checkup.remark import Area, Remark, Status, remarks_of
from pillarbox.mailauth.dane import Plan, match_chain
from pillarbox.mailauth.mta_sts import Mode

__all__ = ["judge_exchangers"]

_remark = remarks_of(Area.TRANSPORT, "PB-MXTLS")


def judge_exchangers(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said of the exchangers that were dialed."""
    for host in facts.hosts or ():
        seen = (facts.probes or {}).get(host.name)
        if seen is not None:
            yield from _exchanger(facts, host, seen)


def _exchanger(facts: DomainFacts, host: HostFacts, seen: Probe) -> Iterator[Remark]:
    failed = seen.failed
    if not seen.has_spoken:
        # A blocked port 25 is the rule and not the exception where people sit.
        words = failed.failure.value if failed is not None and failed.failure else "no session"
        stage = failed.stage.value if failed is not None else ""
        yield _remark(
            Status.SKIP,
            1,
            f"{host.name} could not be tested on port 25: {stage} {words}",
            "Outgoing port 25 is often blocked; pillarbox check smtp says more.",
        )
    elif seen.clear is not None and not seen.clear.starttls:
        yield _without_tls(facts, host, seen)
    elif failed is not None and failed.stage in {Stage.STARTTLS, Stage.TLS}:
        yield _remark(
            Status.WARN,
            3,
            f"{host.name} offers STARTTLS, but TLS cannot be established",
            "Senders deliver unencrypted, or not at all under MTA-STS or DANE.",
            f"pillarbox check smtp {host.name}:25",
            (f"{failed.stage.value}: {failed.detail or failed.failure}",),
            points=6,
        )
    elif seen.certificate is not None:
        yield from _chain(facts, host, seen)


def _without_tls(facts: DomainFacts, host: HostFacts, seen: Probe) -> Remark:
    is_bound = host.dane.plan is Plan.AUTHENTICATE or _is_enforced(facts)
    return _remark(
        Status.FAIL if is_bound else Status.WARN,
        2,
        f"{host.name} offers no STARTTLS",
        "MTA-STS or DANE promises TLS, so senders that honor it do not deliver."
        if is_bound
        else "All mail to it arrives unencrypted.",
        "Give the server a certificate and turn on STARTTLS.",
        (f"{seen.target}: EHLO without STARTTLS",),
        points=8 if is_bound else 5,
    )


def _chain(facts: DomainFacts, host: HostFacts, seen: Probe) -> Iterator[Remark]:
    shown = seen.certificate
    if shown is None:
        return
    if host.dane.plan is Plan.AUTHENTICATE:
        names = (host.name, facts.domain)
        match = match_chain(host.dane.records, shown.chain, names, now=facts.at)
        if match.matches:
            yield _remark(Status.PASS, 4, f"{host.name}: {match.reason}")
        else:
            yield _remark(
                Status.FAIL,
                5,
                f"DANE does not match {host.name}: {match.reason}",
                "Senders that honor DANE do not deliver to it.",
                "Publish the TLSA record of the certificate in use; publish that of the next one "
                "before you use it.",
                tuple(str(record)[:40] for record in host.dane.records),
                points=10,
            )
    policy = facts.sts.policy if facts.sts is not None else None
    if policy is None or policy.mode is Mode.NONE or not policy.matches(host.name):
        return
    problem = _web_problem(shown.not_after <= facts.at, shown.fits, shown.problem)
    if problem:
        is_enforced = _is_enforced(facts)
        yield _remark(
            Status.FAIL if is_enforced else Status.WARN,
            6,
            f"The certificate of {host.name} does not satisfy MTA-STS: {problem}",
            "Senders that honor the policy do not deliver to it."
            if is_enforced
            else "Under mode: enforce, senders would not deliver to it.",
            f"Get a certificate for {host.name} from a public authority.",
            (f"{seen.target}: for {', '.join(shown.names[:5])}, by {shown.issuer}",),
            points=8 if is_enforced else 4,
        )


def _web_problem(is_expired: bool, fits: bool, problem: str) -> str:  # noqa: FBT001 - three facts
    if is_expired:
        return "it has expired"
    return problem if fits else "it is for other names"


def _is_enforced(facts: DomainFacts) -> bool:
    policy = facts.sts.policy if facts.sts is not None else None
    return policy is not None and policy.mode is Mode.ENFORCE
