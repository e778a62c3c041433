"""From a destination to the hosts that accept its mail (RFC 5321 §5.1).

A definite problem (no such domain, a null MX, a loop to ourselves) is a permanent failure without
an attempt. Missing DNS answers are always temporary: a DNS outage bounces nothing. Loopback,
private and our own addresses are refused unless the route allows them, so a hostile zone cannot
point us at internal machines.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome, Resolver
from pillarbox.net.addresses import embedded_address, is_public
from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.reply import Reply

__all__ = [
    "Host",
    "Resolution",
    "Whereabouts",
    "destination_hosts",
    "named_host",
    "site_key",
]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SHORTEST_TTL: Final = 60.0
_LONGEST_TTL: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Host:
    """One mail exchanger with its addresses, IPv6 first."""

    name: str
    preference: int
    addresses: tuple[str, ...]
    is_secure: bool = False  # DNSSEC covers all steps from the destination to these


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The hosts of a destination by preference, or a failure instead."""

    hosts: tuple[Host, ...] = ()
    failure: RecipientOutcome | None = None
    ttl: float = _SHORTEST_TTL  # seconds for which this may be cached


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Our names and addresses, to detect mail loops to ourselves."""

    hostname: str
    addresses: frozenset[str] = frozenset()
    allow_private: bool = False


def _failure(code: int, enhanced: str, text: str, reason: str = "") -> Resolution:
    reply = Reply.of(code, enhanced, text)
    outcome = RecipientOutcome(
        is_delivered=False, stage=Stage.RESOLVE, reply=reply, reason=reason or text, is_local=True
    )
    return Resolution(failure=outcome)


def site_key(hosts: Sequence[Host]) -> str:
    """Return the key of a set of hosts: destinations with the same key are one site.

    Only the order of preferences matters, not their numbers.
    """
    ordered = sorted(hosts, key=lambda host: (host.preference, host.name))
    groups = groupby(ordered, key=lambda host: host.preference)
    return ";".join(",".join(host.name for host in group) for _, group in groups)


async def destination_hosts(resolver: Resolver, destination: str, where: Whereabouts) -> Resolution:
    """Return the hosts for a recipient domain or an address literal."""
    if destination.startswith("["):
        return _literal(destination, where)
    answer = await resolver.mx(destination)
    if answer.outcome is Outcome.UNAVAILABLE:
        return _no_answer(destination, answer.reason)
    if answer.outcome is Outcome.NO_SUCH_NAME:
        return _failure(550, "5.1.2", f"The domain {destination} does not exist")
    # RFC 7505 §3: beside others, an empty exchanger has no meaning.
    records = [record for record in answer.records if record.host]
    if answer.outcome is Outcome.NO_SUCH_DATA:
        records = [MxRecord(0, destination)]  # the implicit MX of RFC 5321 §5.1
    if not records:
        return _failure(556, "5.1.10", f"The domain {destination} takes no mail")
    resolution = await _with_addresses(
        resolver, destination, records, where, is_signed=answer.is_authenticated
    )
    ttl = min(resolution.ttl, answer.ttl) if answer.records else resolution.ttl
    return replace(resolution, ttl=min(max(ttl, _SHORTEST_TTL), _LONGEST_TTL))


async def named_host(resolver: Resolver, name: str) -> Resolution:
    """Return a configured host, by its addresses alone.

    A name without addresses is a temporary failure: it is the operator's mistake, and mail waits
    until it is fixed.
    """
    if _address(name) is not None:
        return Resolution(hosts=(Host(name, 0, (name,)),), ttl=_LONGEST_TTL)
    answer = await resolver.addresses(name)
    if answer.outcome is Outcome.FOUND:
        ttl = min(max(answer.ttl, _SHORTEST_TTL), _LONGEST_TTL)
        return Resolution(hosts=(Host(name, 0, answer.records),), ttl=ttl)
    return _failure(451, "4.4.4", f"The configured host {name} has no address", answer.reason)


def _no_answer(name: str, reason: str) -> Resolution:
    text = f"No answer from DNS for {name}"
    return _failure(451, "4.4.3", text, f"{text}: {reason}" if reason else text)


def _literal(destination: str, where: Whereabouts) -> Resolution:
    text = destination.strip("[]")
    address = _address(text[5:] if text[:5].lower() == "ipv6:" else text)
    if address is None:
        return _failure(550, "5.1.2", f"{destination} is not an address")
    host = Host(destination, 0, (str(address),))
    return _checked(destination, [host], where)


async def _with_addresses(
    resolver: Resolver,
    destination: str,
    records: Sequence[MxRecord],
    where: Whereabouts,
    *,
    is_signed: bool,
) -> Resolution:
    answers = await asyncio.gather(*(resolver.addresses(record.host) for record in records))
    pairs = list(zip(records, answers, strict=True))
    hosts = [
        Host(record.host, record.preference, answer.records, is_signed and answer.is_authenticated)
        for record, answer in pairs
        if answer.records
    ]
    # An exchanger that cannot be resolved now may be better than the rest, or ourselves: the rest
    # can be tried, but no failure is permanent.
    silent = next((answer for answer in answers if answer.outcome is Outcome.UNAVAILABLE), None)
    if not hosts:
        return _without_address(destination, records, silent)
    resolution = _checked(destination, hosts, where)
    if resolution.failure is not None and silent is not None:
        return _no_answer(silent.name, silent.reason)
    return replace(resolution, ttl=min(answer.ttl for answer in answers if answer.records))


def _without_address(
    destination: str, records: Sequence[MxRecord], silent: Answer[str] | None
) -> Resolution:
    if silent is not None:
        return _no_answer(silent.name, silent.reason)
    if records[0].host == destination:
        return _failure(550, "5.4.4", f"{destination} has neither mail exchangers nor an address")
    return _failure(550, "5.4.4", f"No mail exchanger of {destination} has an address")


def _checked(destination: str, hosts: Sequence[Host], where: Whereabouts) -> Resolution:
    """Drop hosts that must not be dialed: ourselves, those with lower priority, internal ones."""
    if where.allow_private:
        return Resolution(hosts=tuple(hosts))
    ours = min((host.preference for host in hosts if _is_us(host, where)), default=None)
    if ours is not None:
        # RFC 5321 §5.1: at or beyond our own preference, mail would only come back.
        hosts = [host for host in hosts if host.preference < ours]
        if not hosts:
            return _failure(554, "5.4.6", f"Mail for {destination} loops back to this server")
    public = [
        replace(host, addresses=addresses)
        for host in hosts
        if (addresses := tuple(filter(is_public, host.addresses)))
    ]
    if not public:
        return _failure(
            550, "5.4.4", f"The mail exchangers of {destination} are at addresses not to be used"
        )
    return Resolution(hosts=tuple(public))


def _is_us(host: Host, where: Whereabouts) -> bool:
    if host.name == where.hostname.lower():
        return True
    return any(_is_own(address, where.addresses) for address in host.addresses)


def _is_own(text: str, own: Collection[str]) -> bool:
    address = embedded_address(text)
    return address.is_loopback or address.is_unspecified or str(address) in own


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
