"""Judges the host names of sending addresses (RFC 8601 §3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from pillarbox.checkup.facts.domain import DomainFacts, Sender
from pillarbox.checkup.remark import Area, Publish, Remark, Status, remarks_of
from pillarbox.mailauth.iprev import IprevResult

__all__ = ["judge_senders"]

_remark = remarks_of(Area.SENDERS, "PB-PTR")

_LOCAL_HINT = "The owner of the address sets it, usually the hosting provider: look for “reverse "
"DNS” there."


def judge_senders(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said, nothing where the domain sends no mail."""
    if facts.sends_nothing:
        return
    if facts.senders is None:
        yield _remark(
            Status.SKIP, 1, "The names of the sending hosts could not be looked up in time"
        )
        return
    if not facts.senders and (facts.spf is None or facts.spf.root.is_temporary):
        yield _remark(Status.SKIP, 1, "Without the SPF record, sending hosts are not known")
    elif not facts.senders:
        yield _remark(
            Status.SKIP,
            2,
            "Reverse DNS could not be tested: SPF names no single address of the domain's own",
            fix="Name the sending addresses with --ip; those of a provider are the provider's to "
            "maintain.",
        )
    said = [_sender(sender, _host_of(facts, sender.address)) for sender in facts.senders]
    failed = [remark for remark in said if remark.status is Status.FAIL]
    for code in dict.fromkeys(remark.code for remark in failed):
        yield _together([remark for remark in failed if remark.code == code])
    yield from (remark for remark in said if remark.status is not Status.FAIL)


def _together(alike: list[Remark]) -> Remark:
    """Return one remark for the same fault of several addresses."""
    first, *others = alike
    if not others:
        return first
    return replace(
        first,
        what=f"{first.what}, and so {len(others)} more",
        fix=f"{first.fix} The same for the others.",
        evidence=tuple(text for remark in alike for text in (remark.what, *remark.evidence)),
        publish=tuple(record for remark in alike for record in remark.publish),
    )


def _host_of(facts: DomainFacts, address: str) -> str:
    """Return the name that an address should have: its exchanger's, or else a usual one."""
    for host in facts.hosts or ():
        if address in host.addresses.records:
            return host.name
    return f"mail.{facts.domain}"


def _sender(sender: Sender, host: str) -> Remark:
    address, found = sender.address, sender.iprev
    whence = f"{address} (from {sender.source})"
    if found.result is IprevResult.PASS:
        what = f"{whence} is {found.name}, and back"
        return _remark(Status.PASS, 3, what, evidence=found.evidence)
    if found.result is IprevResult.TEMPORARY_ERROR:
        return _remark(Status.SKIP, 1, f"{whence}: {found.reason}", evidence=found.evidence)
    has_name = any(text.startswith("PTR") for text in found.evidence)
    is_confirmed_not = found.result is IprevResult.FAIL and has_name
    name = ip_address(address).reverse_pointer
    return _remark(
        Status.FAIL,
        5 if is_confirmed_not else 4,
        f"{whence}: its name does not lead back to it"
        if is_confirmed_not
        else f"{whence} has no name (PTR)",
        "Gmail, Yahoo and Microsoft reject or defer mail from such hosts.",
        f"Let the PTR record of {address} name the host, and the host's A or AAAA record the"
        f" address. {_LOCAL_HINT}",
        found.evidence or (found.reason,),
        points=10,
        publish=(Publish(name, "PTR", f"{host}."),),
    )
