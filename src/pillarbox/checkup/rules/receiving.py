"""Judges a domain's mail exchangers (RFC 5321 §5.1, RFC 7505, RFC 2181 §10.3)."""

from __future__ import annotations

from collections.abc import Iterator

from pillarbox.checkup.facts.domain import DomainFacts, HostFacts
from pillarbox.checkup.reach import is_address, kind_of
from pillarbox.checkup.remark import Area, Publish, Remark, Status, remarks_of
from pillarbox.mailauth.resolver import Answer, Outcome

__all__ = ["judge_receiving"]

_remark = remarks_of(Area.RECEIVING, "PB-MX")


def judge_receiving(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said, at least one remark."""
    answer = facts.mx
    if answer is None or answer.outcome is Outcome.UNAVAILABLE:
        reason = answer.reason if answer is not None else "no answer in time"
        yield _remark(
            Status.SKIP,
            1,
            f"The MX records could not be looked up: {reason}",
            fix="Try again, or ask another resolver with --resolver.",
        )
    elif answer.outcome is Outcome.NO_SUCH_NAME:
        yield _remark(
            Status.FAIL,
            2,
            f"{facts.domain} does not exist in DNS",
            "Nobody can send mail to it, and large receivers reject mail from it.",
            "Check the spelling; renew the registration, or have the zone delegated.",
            points=20,
        )
    elif facts.is_null_mx:
        yield _remark(
            Status.PASS, 3, "A null MX says that the domain takes no mail", evidence=("MX 0 .",)
        )
    elif any(not record.host for record in answer.records):
        yield _remark(
            Status.FAIL,
            4,
            "There is a null MX beside other MX records",
            "Senders treat the domain as one that takes no mail, or ignore the record (RFC 7505 "
            "§3).",
            "Remove the record with the host “.”.",
            tuple(f"{one.preference} {one.host}." for one in answer.records),
            points=12,
        )
    else:
        yield from _exchangers(facts, answer)


def _exchangers(facts: DomainFacts, answer: Answer[object]) -> Iterator[Remark]:
    hosts = facts.hosts
    if hosts is None:
        yield _remark(Status.SKIP, 1, "The hosts of the MX could not be looked up in time")
        return
    if answer.outcome is Outcome.NO_SUCH_DATA:
        yield _implicit(facts.domain, hosts[0])
        return
    remarks = [remark for host in hosts for remark in _host(host)]
    if not any(map(_may_be_reached, hosts)):
        remarks[0] = _worst(remarks[0])
    yield from remarks
    yield from _six(hosts)
    if not any(remark.status in {Status.FAIL, Status.SKIP} for remark in remarks):
        count = sum(len(host.addresses.records) for host in hosts)
        yield _remark(
            Status.PASS,
            5,
            f"{_count(len(hosts), 'mail exchanger')} with {_count(count, 'address', 'es')}",
            evidence=tuple(
                f"{host.preference} {host.name}: {', '.join(host.addresses.records)}"
                for host in hosts
            ),
        )


def _worst(remark: Remark) -> Remark:
    """Return a remark that costs all: no exchanger is left that works."""
    return Remark(
        area=remark.area,
        status=remark.status,
        code=remark.code,
        what=remark.what,
        why=f"{remark.why} No exchanger is left: the domain gets no mail.",
        fix=remark.fix,
        evidence=remark.evidence,
        points=20,
        publish=remark.publish,
    )


def _implicit(domain: str, host: HostFacts) -> Remark:
    if host.addresses.outcome is Outcome.UNAVAILABLE:
        reason = host.addresses.reason
        return _remark(Status.SKIP, 1, f"{domain} has no MX, and its address is unknown: {reason}")
    if not host.addresses.records:
        return _remark(
            Status.FAIL,
            6,
            "The domain has neither MX records nor an address",
            "Nobody can send mail to it, and bounces cannot come back; receivers distrust its "
            "mail.",
            "Publish an MX record for the host that takes its mail, or MX 0 . if none does.",
            points=20,
            publish=(Publish(domain, "MX", f"10 mail.{domain}."),),
        )
    return _remark(
        Status.WARN,
        7,
        "The domain has no MX record; mail goes to the address of the domain itself",
        "That is rarely the mail server (RFC 5321 §5.1), and some senders reject such domains.",
        "Publish an MX record for the host that takes the mail, or MX 0 . if none does.",
        (f"{domain}: {', '.join(host.addresses.records)}",),
        points=8,
        publish=(Publish(domain, "MX", f"10 mail.{domain}."),),
    )


def _host(host: HostFacts) -> Iterator[Remark]:
    name = host.name
    if host.alias.outcome is Outcome.FOUND:
        yield _remark(
            Status.FAIL,
            8,
            f"The exchanger {name} is an alias (CNAME) of {host.alias.records[0]}",
            "An MX has to name a host with addresses (RFC 2181 §10.3); some senders bounce.",
            f"Let the MX name {host.alias.records[0]} itself.",
            (f"{name} CNAME {host.alias.records[0]}",),
            points=8,
        )
    if is_address(name):
        yield _remark(
            Status.FAIL,
            9,
            f"The MX names an IP address, {name}, and not a host",
            "DNS treats it as a name that does not exist, so senders cannot deliver.",
            "Give the host a name with an A record, and let the MX name it.",
            points=10,
        )
    elif host.addresses.outcome is Outcome.UNAVAILABLE:
        yield _remark(Status.SKIP, 1, f"{name} could not be looked up: {host.addresses.reason}")
    elif not host.addresses.records:
        yield _remark(
            Status.FAIL,
            10,
            f"The exchanger {name} has no address ({host.addresses.outcome.value})",
            "Senders that try it first waste time; if it is the only exchanger, all mail fails.",
            f"Publish an A record of {name}, or remove it from the MX records.",
            points=10,
        )
    for address in host.addresses.records:
        if kind := kind_of(address):
            yield _remark(
                Status.FAIL,
                11,
                f"The exchanger {name} has the {kind} address {address}",
                "Nobody outside can reach it; senders give up, or connect to themselves.",
                f"Publish the public address of {name}, or remove the record.",
                (f"{name}: {', '.join(host.addresses.records)}",),
                points=10,
            )


def _six(hosts: tuple[HostFacts, ...]) -> Iterator[Remark]:
    """Yield a note where no exchanger can be reached over IPv6, as far as that is known."""
    answers = [host.addresses for host in hosts]
    addresses = [address for answer in answers for address in answer.records]
    is_known = all(answer.outcome is not Outcome.UNAVAILABLE for answer in answers)
    if addresses and is_known and not any(":" in address for address in addresses):
        yield _remark(
            Status.INFO,
            12,
            "No exchanger has an IPv6 address",
            "Nearly all senders have IPv4 as well, but internet.nl counts it anyway.",
            f"Publish an AAAA record of {hosts[0].name} once the server listens there.",
        )


def _may_be_reached(host: HostFacts) -> bool:
    """Whether a host has an address to the outside, or that is not known."""
    if host.addresses.outcome is Outcome.UNAVAILABLE:
        return True
    return any(not kind_of(address) for address in host.addresses.records)


def _count(number: int, noun: str, ending: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else ending}"
