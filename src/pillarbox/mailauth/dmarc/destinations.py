"""Where aggregate reports may go: only to those who have agreed to receive them.

A record can name any address, so a stranger could direct everyone's reports at a victim. An address
outside the organizational domain counts only if its domain agrees in DNS (RFC 9990 §4); an address
that cannot be checked now is distinguished from one that must not be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pillarbox.mailauth.dmarc.discovery import Finder, normal_domain
from pillarbox.mailauth.dmarc.record import Record, ReportAddress, is_dmarc_record, parse_record
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.smtp.domain import is_domain

__all__ = ["MAX_DESTINATIONS", "Destination", "report_destinations"]

MAX_DESTINATIONS: Final = 5  # of one record that get reports; each costs a message a day
_MAX_NAME: Final = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One address that a record asks reports to be sent to."""

    address: ReportAddress  # may differ from the one in the record: RFC 9990 §4, step 9
    is_allowed: bool | None  # None: DNS did not answer
    reason: str
    is_external: bool = False


async def report_destinations(
    record: Record, record_domain: str, resolver: Resolver, finder: Finder | None = None
) -> tuple[Destination, ...]:
    """Judge the addresses in rua.

    Args:
        record: The policy record.
        record_domain: Where it was found.
        resolver: Asks DNS.
        finder: Finds organizational domains; a finder already used for this domain needs fewer
            queries.

    Returns:
        One for each ``mailto:`` address, in their order; other schemes are not supported.
    """
    finder = finder or Finder(resolver)
    mail = [address for address in record.aggregate if address.mailbox]
    found = [
        await _judge(address, record_domain, resolver, finder)
        for address in mail[:MAX_DESTINATIONS]
    ]
    found += [
        Destination(
            address=address,
            is_allowed=False,
            reason=f"more than {MAX_DESTINATIONS} addresses get no reports",
        )
        for address in mail[MAX_DESTINATIONS:]
    ]
    return tuple(found)


async def _judge(
    address: ReportAddress, record_domain: str, resolver: Resolver, finder: Finder
) -> Destination:
    host = normal_domain(address.mailbox.rpartition("@")[2])
    if not is_domain(host):
        return Destination(address=address, is_allowed=False, reason=f"{host!a} is no domain")
    ours, _ = await finder.organizational_domain(record_domain)
    theirs, failed = await finder.organizational_domain(host)
    if ours == theirs:
        return Destination(address=address, is_allowed=True, reason=f"it is of {ours} itself")
    if failed is not None:
        return Destination(
            address=address,
            is_allowed=None,
            reason=f"{failed.name}: {failed.note}",
            is_external=True,
        )
    name = f"{record_domain}._report._dmarc.{host}"
    if len(name) > _MAX_NAME:
        return Destination(
            address=address,
            is_allowed=False,
            reason="the name to ask is too long",
            is_external=True,
        )
    answer = await resolver.txt(name)
    if answer.outcome is Outcome.UNAVAILABLE:
        return Destination(
            address=address,
            is_allowed=None,
            reason=f"{name}: {answer.reason or 'no answer'}",
            is_external=True,
        )
    texts = [raw.decode("utf-8", "backslashreplace") for raw in answer.records]
    records = [text for text in texts if is_dmarc_record(text)]
    if not records:
        return Destination(
            address=address,
            is_allowed=False,
            reason=f"{host} does not say that it wants reports: no record at {name}",
            is_external=True,
        )
    return Destination(
        address=_overridden(address, host, records[0]),
        is_allowed=True,
        reason=f"{host} says that it wants reports: {name}",
        is_external=True,
    )


def _overridden(address: ReportAddress, host: str, text: str) -> ReportAddress:
    """Return the address that the destination asks for instead, which must have the same host."""
    record = parse_record(text)
    for other in record.aggregate if record is not None else ():
        if normal_domain(other.mailbox.rpartition("@")[2]) == host:
            return other
    return address
