"""Probes every address and port of a host, in parallel and within one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from pillarbox.checkup.facts.smtp import Probe, ServerFacts, Target
from pillarbox.checkup.probes.smtp import Patience, ProbeOptions, probe
from pillarbox.checkup.reach import kind_of
from pillarbox.checkup.time_limit import NOT_WAITED_FOR, TimeLimit
from pillarbox.mailauth.resolver import Outcome, Resolver

__all__ = ["CONTROL", "PORTS", "ServerQuestion", "ask_server", "is_answered"]

PORTS: Final = (25, 465, 587, 2525)
CONTROL: Final = "192.0.2.1"
"""An address of documentation, which nobody has (RFC 5737)."""

_MAX_ADDRESSES: Final = 4
_LOOPBACK: Final = ("127.0.0.1", "::1")
_RESOLVE_SECONDS: Final = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerQuestion:
    """Which host, and which of its ports."""

    host: str  # a name in A-labels, or an IP address
    ports: tuple[int, ...] = ()  # () for the usual four
    now: float  # seconds since 1970, for certificates
    control: str = ""  # an address that nobody has: what answers there sits on the way


@dataclass(frozen=True, slots=True)
class _Found:
    """What a host name stands for."""

    addresses: tuple[str, ...]
    problem: str = ""
    is_final: bool = False


async def ask_server(
    question: ServerQuestion,
    resolver: Resolver,
    options: ProbeOptions,
    *,
    limit: TimeLimit | None = None,
    on_done: Callable[[str], None] = lambda _: None,
) -> ServerFacts:
    """Return what was seen at each address and port.

    Args:
        question: Where to look.
        resolver: Asks DNS for the addresses.
        options: How to look, and how long.
        limit: When to end with what is known; without one, by ``options``.
        on_done: Is told each target that has ended.
    """
    limit = limit or TimeLimit(_RESOLVE_SECONDS + 2 * options.patience.total)
    found = await limit.result(_resolve(question.host, resolver)) or _Found((), NOT_WAITED_FOR)
    targets = [
        Target(question.host, address, port)
        for port in question.ports or PORTS
        for address in found.addresses[:_MAX_ADDRESSES]
    ]

    async def look(target: Target) -> Probe:
        seen = await probe(target, options)
        on_done(str(target))
        return seen

    looks = [asyncio.create_task(look(target)) for target in targets]
    control = asyncio.create_task(_intercepted(question, targets, options.patience))
    late = await limit.late([*looks, control])
    return ServerFacts(
        host=question.host,
        probes=tuple(task.result() for task in looks if task not in late),
        ports_were_named=bool(question.ports),
        unresolved=found.problem,
        is_unresolved_for_good=found.is_final,
        unfinished=tuple(
            target for target, task in zip(targets, looks, strict=True) if task in late
        ),
        intercepted=frozenset() if control in late else control.result(),
        at=question.now,
    )


async def _intercepted(
    question: ServerQuestion, targets: list[Target], patience: Patience
) -> frozenset[int]:
    """Return the ports at which an address that nobody has takes connections."""
    # Nobody sits on the way to a machine inside.
    ports = sorted({one.port for one in targets if _is_alike(question.control, one.address)})
    answers = await asyncio.gather(
        *(is_answered(question.control, port, patience.connect) for port in ports)
    )
    return frozenset(port for port, answered in zip(ports, answers, strict=True) if answered)


def _is_alike(control: str, address: str) -> bool:
    return bool(control) and kind_of(control) == kind_of(address)


async def is_answered(address: str, port: int, seconds: float) -> bool:
    """Whether a connection opens within some seconds."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(address, port)
    except OSError:  # a time-out is one of them
        return False
    writer.transport.abort()
    await asyncio.sleep(0)  # the loop lets go of the socket in its next turn
    return True


async def _resolve(host: str, resolver: Resolver) -> _Found:
    try:
        return _Found((str(ip_address(host)),))
    except ValueError:
        pass
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3: DNS is not asked
        return _Found(_LOOPBACK)
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            answer = await resolver.addresses(host)
    except TimeoutError:
        return _Found((), "no answer in time")
    if answer.outcome is Outcome.FOUND:
        return _Found(answer.records)
    is_final = answer.outcome is not Outcome.UNAVAILABLE
    return _Found((), answer.reason or answer.outcome.value, is_final)
