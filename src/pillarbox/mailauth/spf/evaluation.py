"""``check_host()``: whether a host may send for a domain (RFC 7208 §4).

The content of DNS or of a record never raises an exception; errors are in the result. The cost of a
check is bounded (``Limits``), and each evaluated term is recorded as a ``Step``.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from pillarbox.mailauth.resolver import Resolver
from pillarbox.mailauth.spf.check import Check, Found, Session, Stop
from pillarbox.mailauth.spf.values import Limits, Result, Spf, Step
from pillarbox.smtp.address import ReversePath, ascii_domain

__all__ = ["check_host", "check_sender"]

_DEFAULT_LIMITS: Final = Limits()
_POSTMASTER: Final = "postmaster"  # RFC 7208 §4.3
_MAX_NAME: Final = 253
_MAX_LABEL: Final = 63


async def check_sender(
    ip: str,
    reverse_path: ReversePath,
    helo: str,
    resolver: Resolver,
    *,
    receiver: str = "",
    now: float = 0.0,
    limits: Limits = _DEFAULT_LIMITS,
) -> Spf:
    """Check the MAIL FROM identity; for the null reverse-path, that of HELO (RFC 7208 §2.4).

    Args:
        ip: The client's address.
        reverse_path: What MAIL FROM said.
        helo: What the client called itself.
        resolver: Asks DNS.
        receiver: Our name, for explanations.
        now: The time, in seconds since 1970, for explanations.
        limits: What the check may cost.
    """
    if reverse_path is None:
        domain, sender, identity = helo, f"{_POSTMASTER}@{helo}", "helo"
    else:
        domain, identity = reverse_path.domain, "mailfrom"
        sender = f"{reverse_path.local_part}@{domain}"
    return await check_host(
        ip,
        domain,
        sender,
        resolver,
        helo=helo,
        identity=identity,
        receiver=receiver,
        now=now,
        limits=limits,
    )


async def check_host(
    ip: str,
    domain: str,
    sender: str,
    resolver: Resolver,
    *,
    helo: str = "",
    identity: str = "mailfrom",
    receiver: str = "",
    now: float = 0.0,
    limits: Limits = _DEFAULT_LIMITS,
) -> Spf:
    """Return what a domain's policy says about a host.

    Args:
        ip: The client's address; an IPv4 address written as IPv6 counts as IPv4.
        domain: Whose policy: the domain of MAIL FROM or HELO.
        sender: The MAIL FROM or HELO identity, ``local-part@domain``.
        resolver: Asks DNS.
        helo: What the client called itself.
        identity: ``mailfrom`` or ``helo``; only recorded.
        receiver: Our name, for explanations.
        now: The time, in seconds since 1970, for explanations.
        limits: What the check may cost.

    Raises:
        ValueError: ``ip`` is no IP address.
    """
    address = _address(ip)
    asked = ascii_domain(domain).rstrip(".")
    local_part, _, sender_domain = sender.rpartition("@")
    session = Session(
        address=address,
        local_part=local_part or _POSTMASTER,
        sender_domain=ascii_domain(sender_domain),
        helo=ascii_domain(helo),
        receiver=receiver,
        now=now,
    )
    check = Check(session, resolver, limits)
    found, steps = await _within_time(check, asked, limits.seconds)
    return Spf(
        result=found.result,
        domain=asked,
        sender=f"{session.local_part}@{sender_domain}",
        ip=str(address),
        helo=helo,
        identity=identity,
        mechanism=found.mechanism,
        reason=found.reason,
        problem=found.problem,
        explanation=found.explanation,
        lookups=check.lookups,
        voids=check.voids,
        steps=steps,
    )


async def _within_time(check: Check, domain: str, seconds: float) -> tuple[Found, tuple[Step, ...]]:
    if not _is_checkable(domain):
        # RFC 7208 §4.3: a malformed domain has no policy, and DNS is not queried.
        return Found(Result.NONE, reason=f'"{domain}" is no domain name that has a policy'), ()
    try:
        async with asyncio.timeout(seconds):
            found = await check.evaluate(domain)
            if found.result is Result.FAIL:
                found = await check.explained(found)
    except TimeoutError:
        reason = f"it took longer than {seconds:g} seconds"  # RFC 7208 §4.6.4
        found = Found(Result.TEMPERROR, reason=reason)
    except Stop as stop:
        found = Found(stop.result, reason=stop.reason, problem=stop.problem)
    return found, tuple(check.steps)


def _is_checkable(domain: str) -> bool:
    """Whether a domain can have a policy: two labels or more, none too long (RFC 7208 §4.3)."""
    labels = domain.split(".")
    return (
        domain.isascii()
        and len(labels) > 1
        and len(domain) <= _MAX_NAME
        and all(0 < len(label) <= _MAX_LABEL for label in labels)
        and not domain.startswith("[")
    )


def _address(ip: str) -> IPv4Address | IPv6Address:
    address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # RFC 7208 §5
    return address
