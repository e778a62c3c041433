"""Confirmed host names of many addresses: looked up in parallel, under one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from pillarbox.mailauth.iprev import IprevResult, check_iprev
from pillarbox.mailauth.resolver import Resolver

__all__ = ["confirmed_names"]

_AT_ONCE: Final = 50
_PATIENCE: Final = 20.0  # seconds, for all of them
_MOST: Final = 2_000


async def confirmed_names(
    addresses: Iterable[str],
    resolver: Resolver,
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Return the names of those addresses that have one which leads back to them (RFC 8601 §3).

    Args:
        addresses: The most important first; at most 2,000 are asked about.
        resolver: Who is asked.
        on_done: Called for each address that has been asked about.
    """
    names: dict[str, str] = {}
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(address: str) -> None:
        async with turn:
            found = await check_iprev(address, resolver)
        if found.result is IprevResult.PASS:
            names[address] = found.name
        on_done()

    tasks = [asyncio.create_task(ask(address)) for address in list(addresses)[:_MOST]]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return names
