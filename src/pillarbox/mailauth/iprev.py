"""iprev: whether the host name of an address resolves back to that address (RFC 8601 §3)."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.mailauth.resolver import Answer, Outcome, Resolver

__all__ = ["Iprev", "IprevResult", "check_iprev"]

_MAX_NAMES: Final = 10  # looked up per address; the same as for SPF's ptr (RFC 7208 §4.6.4)


class IprevResult(Enum):
    """The result, in the terms of RFC 8601 §2.7.3."""

    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"
    TEMPORARY_ERROR = "temperror"
    PERMANENT_ERROR = "permerror"


@dataclass(frozen=True, slots=True, kw_only=True)
class Iprev:
    """The iprev result for a client's address."""

    result: IprevResult
    address: str
    name: str = ""  # the name that resolves back; "" without a pass
    reason: str = ""
    evidence: tuple[str, ...] = ()  # each "what: value"


async def check_iprev(address: str, resolver: Resolver) -> Iprev:
    """Look up the names of an address, and their addresses.

    Args:
        address: The client's IP address.
        resolver: Asks DNS.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return Iprev(
            result=IprevResult.PERMANENT_ERROR, address=address, reason="it is no IP address"
        )
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    pointers = await resolver.ptr(str(ip))
    if pointers.outcome is not Outcome.FOUND:
        return _without_name(address, pointers)
    names = tuple(dict.fromkeys(pointers.records))[:_MAX_NAMES]
    if len(names) == 1:
        answers = [await resolver.addresses(names[0])]
    else:
        answers = await asyncio.gather(*map(resolver.addresses, names))
    evidence = [f"PTR {ip}: {', '.join(names)}"]
    for name, answer in zip(names, answers, strict=True):
        evidence.append(f"{name}: {', '.join(answer.records) or answer.outcome.value}")
        if any(_same(ip, found) for found in answer.records):
            return Iprev(
                result=IprevResult.PASS,
                address=address,
                name=name,
                reason=f"{name} and {ip} name each other",
                evidence=tuple(evidence),
            )
    is_open = any(answer.outcome is Outcome.UNAVAILABLE for answer in answers)
    return Iprev(
        result=IprevResult.TEMPORARY_ERROR if is_open else IprevResult.FAIL,
        address=address,
        reason=f"{names[0]} could not be looked up"
        if is_open
        else f"none of its names, such as {names[0]}, has the address {ip}",
        evidence=tuple(evidence),
    )


def _without_name(address: str, answer: Answer[str]) -> Iprev:
    if answer.outcome is Outcome.UNAVAILABLE:
        return Iprev(
            result=IprevResult.TEMPORARY_ERROR,
            address=address,
            reason=answer.reason or "DNS did not answer",
            evidence=(f"PTR {address}: {answer.reason or 'no answer'}",),
        )
    # RFC 8601 §2.7.3: no PTR record is a permanent error.
    return Iprev(
        result=IprevResult.PERMANENT_ERROR,
        address=address,
        reason="the address has no name in DNS",
        evidence=(f"PTR {address}: {answer.outcome.value}",),
    )


def _same(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, text: str) -> bool:
    try:
        return ipaddress.ip_address(text) == ip
    except ValueError:
        return False
