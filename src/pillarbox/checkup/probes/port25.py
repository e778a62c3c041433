"""Tries port 25 of servers that accept mail from everybody, and connections to compare with.

In parallel: mail servers of large receivers on port 25, submission servers on their own ports, and
port 25 of an unused address. Only connections and greetings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from pillarbox.checkup.catalog.hosting import Hosting
from pillarbox.checkup.facts.port25 import Attempt, Port25Facts, Role
from pillarbox.checkup.facts.smtp import Target
from pillarbox.checkup.probes.host import CONTROL
from pillarbox.checkup.probes.wire import StageFailed, Wire, failure_of
from pillarbox.checkup.reach import kind_of
from pillarbox.checkup.time_limit import LimitedResolver, TimeLimit
from pillarbox.mailauth.resolver import Resolver
from pillarbox.smtp.reply import Reply

__all__ = ["OTHERS", "RECEIVERS", "SMTP_PORT", "Port25Question", "ask_port25"]

SMTP_PORT: Final = 25
"""Where servers talk to each other."""

RECEIVERS: Final = ("gmail.com", "outlook.com", "yahoo.com", "icloud.com")
"""Domains whose exchangers take mail from everybody, run by four companies."""

OTHERS: Final = (
    ("smtp.gmail.com", 587),
    ("smtp.gmail.com", 465),
    ("smtp.office365.com", 587),
    ("smtp.fastmail.com", 465),
    ("smtp.sendgrid.net", 2525),
)
"""Submission servers, with the ports to compare with."""

_SECONDS: Final = 20.0
_IMPLICIT: Final = 465  # greets inside of TLS only


@dataclass(frozen=True, slots=True, kw_only=True)
class Port25Question:
    """What to try."""

    receivers: tuple[str, ...] = RECEIVERS  # domains
    servers: tuple[tuple[str, int], ...] = ()  # hosts and ports instead of those of receivers
    others: tuple[tuple[str, int], ...] = OTHERS
    nobody: tuple[str, int] = (CONTROL, SMTP_PORT)
    hosting: Hosting | None = None
    connect: float = 8.0  # seconds
    greeting: float = 6.0


async def ask_port25(
    question: Port25Question,
    resolver: Resolver,
    *,
    limit: TimeLimit | None = None,
    on_done: Callable[[str], None] = lambda _: None,
) -> Port25Facts:
    """Return what came of each attempt.

    Args:
        question: What to try.
        resolver: Asks DNS.
        limit: When to end with what is known; without one, after 20 seconds.
        on_done: Is told each target that has ended.
    """
    limit = limit or TimeLimit(_SECONDS)
    resolver = LimitedResolver(resolver, limit)
    servers = question.servers or await _exchangers(question.receivers, resolver)
    wanted = [(Role.SERVER, *each) for each in servers]
    wanted += [(Role.OTHER, *each) for each in question.others]
    addresses = await asyncio.gather(*(_address(host, resolver) for _, host, _ in wanted))
    targets = [
        (role, Target(host, address, port))
        for (role, host, port), address in zip(wanted, addresses, strict=True)
        if address
    ]
    # Nobody sits on the way to a machine inside, so there is nothing to compare with.
    nobody, port = question.nobody
    if any(kind_of(target.address) == kind_of(nobody) for _, target in targets):
        targets.append((Role.NOBODY, Target(nobody, nobody, port)))

    async def attempt(role: Role, target: Target) -> Attempt:
        tried = await _try(role, target, question)
        on_done(f"{target.host}:{target.port}")
        return tried

    tasks = [asyncio.create_task(attempt(*each)) for each in targets]
    late = await limit.late(tasks)
    known = {target.host for _, target in targets}
    return Port25Facts(
        attempts=tuple(task.result() for task in tasks if task not in late),
        unresolved=tuple(dict.fromkeys(host for _, host, _ in wanted if host not in known)),
        hosting=question.hosting,
    )


async def _exchangers(receivers: tuple[str, ...], resolver: Resolver) -> list[tuple[str, int]]:
    """Return the first exchanger of each domain."""
    answers = await asyncio.gather(*map(resolver.mx, receivers))
    return [
        (answer.records[0].host if answer.records else domain, SMTP_PORT)
        for domain, answer in zip(receivers, answers, strict=True)
    ]


async def _address(host: str, resolver: Resolver) -> str:
    """Return the first address of a host, "" without one."""
    if host == "localhost":  # RFC 6761 §6.3: DNS is not asked
        return "127.0.0.1"
    try:
        return str(ip_address(host))
    except ValueError:
        return next(iter((await resolver.a(host)).records), "")


async def _try(role: Role, target: Target, question: Port25Question) -> Attempt:
    clock = asyncio.get_running_loop().time
    begin = clock()
    wire, failure, greeting = None, None, None
    try:
        async with asyncio.timeout(question.connect):
            wire = await Wire.open(target.address, target.port, [])
        if role is Role.SERVER or (role is Role.OTHER and target.port != _IMPLICIT):
            async with asyncio.timeout(question.greeting):
                greeting = await wire.hear()
    except (OSError, EOFError, StageFailed) as error:
        failure = failure_of(error).failure
    finally:
        seconds = clock() - begin
        if wire is not None:
            await _leave(wire, greeting)
    return Attempt(
        role=role,
        target=target,
        seconds=seconds,
        failure=failure,
        is_open=wire is not None,
        greeting=greeting,
    )


async def _leave(wire: Wire, greeting: Reply | None) -> None:
    if greeting is not None:
        with suppress(OSError):
            await wire.say("QUIT")
    await wire.close()
