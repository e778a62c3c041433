"""The limits on clients of a running node: rates, bans, and the checks of unknown clients.

Guarantees: counts are stored every second if nodes share them, every few seconds otherwise, and
when the node stops. While the store is down, limits are neither looser nor stricter than before.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Final, Self

from pillarbox.access.node_key import NodeKey
from pillarbox.clock import Clock
from pillarbox.config.settings import CheckAction, ListenerKind, Settings
from pillarbox.control import protocol as p
from pillarbox.errors import PillarboxError
from pillarbox.events.types import Sink
from pillarbox.intake.keeping_on import keep_on
from pillarbox.limits.ban_keeper import BanKeeper
from pillarbox.limits.ledger import RateLedger
from pillarbox.limits.rates import RateTable
from pillarbox.mailauth.resolver import Resolver
from pillarbox.policy.recipients import LocalDomains
from pillarbox.receive.checks import Check
from pillarbox.receive.guesses import Guesses
from pillarbox.screening.client_names import HeloName, ReverseName
from pillarbox.screening.dns_lists import AllowedClients, DnsLists
from pillarbox.screening.greylisting import Greylisting, GreylistMemory
from pillarbox.smtp.address import ascii_domain
from pillarbox.store.notes import NoteStore

__all__ = ["Limiting"]

_SHARED_EVERY: Final = 1.0  # seconds
_ALONE_EVERY: Final = 5.0
_BANS_EVERY: Final = 5  # rounds, if nodes share them
_ALLOWED: Final = 20_000


class Limiting:
    """The limits of one node."""

    def __init__(
        self,
        settings: Settings,
        *,
        hostname: str,
        notes: NoteStore,
        clock: Clock,
        key: NodeKey,
        resolver: Resolver,
        sink: Sink,
    ) -> None:
        """Start empty; ``prepare`` creates a loaded one.

        Args:
            settings: The configuration.
            hostname: The name in our greeting.
            notes: Where counts are stored.
            clock: The time.
            key: Hashes names and addresses.
            resolver: Queries DNS.
            sink: Receives events about bans.
        """
        self._settings = settings
        self._hostname = ascii_domain(hostname)
        self._clock = clock
        self._resolver = resolver
        self._is_shared = settings.store.url.startswith("postgresql:")
        self._rates: RateTable | None = None
        self._prepared: tuple[Settings, RateTable | None] | None = None
        self._ledger = RateLedger(notes, clock.now, is_shared=self._is_shared)
        self._memory = GreylistMemory(notes, key.clients, clock.now)
        self._allowed: AllowedClients = AllowedClients(_ALLOWED)
        self.guesses = Guesses(settings.guessing, key=key.clients, sink=sink)
        self._bans = BanKeeper(
            self.guesses, notes, clock.now, lambda: self._settings.guessing.known_for
        )
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def prepare(
        cls,
        settings: Settings,
        *,
        hostname: str,
        notes: NoteStore,
        clock: Clock,
        key: NodeKey,
        resolver: Resolver,
        sink: Sink,
    ) -> Self:
        """Load the stored counts, and store new ones from now on.

        Raises:
            StoreUnavailable: The store is down.
        """
        limiting = cls(
            settings,
            hostname=hostname,
            notes=notes,
            clock=clock,
            key=key,
            resolver=resolver,
            sink=sink,
        )
        limiting.use(settings)
        if limiting._rates is not None:
            await limiting._ledger.load(limiting._rates.meters)
        await limiting._bans.settle()
        limiting._task = keep_on(limiting._follow, "node: limits")
        return limiting

    async def stop(self) -> None:
        """Store the counts, and stop counting. Safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            await self._settle(has_bans=True)

    # --- what it is asked for ---------------------------------------------------------

    def rates(self, settings: Settings) -> RateTable | None:
        """Return the rates of a configuration; unchanged ones keep their counts.

        They apply once ``use`` is called with the same configuration.
        """
        if self._prepared is None or self._prepared[0] is not settings:
            table = None
            if settings.rate:
                table = RateTable(settings.rate, self._clock.now, before=self._rates)
            self._prepared = settings, table
        return self._prepared[1]

    def use(self, settings: Settings) -> None:
        """Use a new configuration."""
        self._rates = self.rates(settings)
        self._settings, self._prepared = settings, None

    def checks(self, domains: LocalDomains, settings: Settings, listener: str) -> list[Check]:
        """Return the checks of unknown clients on a listener."""
        if settings.listener[listener].kind is not ListenerKind.MX:
            return []
        patience = settings.screening.timeout + 1.0
        checks: list[Check] = []
        lists = {
            zone: each
            for zone, each in settings.dns_list.items()
            if _holds(each.listeners, listener)
        }
        if lists:
            checks.append(
                DnsLists(lists, settings.screening, self._resolver, self._clock.now, self._allowed)
            )
        names = settings.client_name
        if _holds(names.listeners, listener):
            if names.reverse is not CheckAction.OFF:
                checks.append(ReverseName(names, self._resolver, patience))
            if names.helo is not CheckAction.OFF:
                is_ours = self._ours(domains)
                checks.append(HeloName(names, self._resolver, patience, is_ours))
        if settings.greylist.enabled and _holds(settings.greylist.listeners, listener):
            checks.append(
                Greylisting(
                    settings.greylist, self._memory, self._resolver, patience, self._is_allowed
                )
            )
        return checks

    def _ours(self, domains: LocalDomains) -> Callable[[str], bool]:
        return lambda name: name == self._hostname or domains.is_local(name)

    def _is_allowed(self, client: str) -> bool:
        return self._allowed.get(client, self._clock.now()) is not None

    # --- bans, for operators ----------------------------------------------------------

    def listed(self) -> tuple[list[p.BanRow], p.SprayRow | None]:
        """Return the bans in force, and the last password spray that was seen."""
        rows = [
            p.BanRow(
                client=ban.client,
                since=ban.since,
                until=ban.until,
                failures=ban.failures,
                times=ban.times,
            )
            for ban in self.guesses.bans(self._clock.now())
        ]
        seen = self.guesses.spray.last
        if seen is None:
            return rows, None
        spray = p.SprayRow(
            since=seen.since,
            accounts=seen.accounts,
            clients=seen.clients,
            failures=seen.failures,
        )
        return rows, spray

    async def lift(self, client: str) -> bool:
        """Lift a ban on all nodes; return whether there was one.

        Raises:
            StoreUnavailable: The store is down; the ban is lifted on this node only.
        """
        return await self._bans.lift(client)

    # --- upkeep -----------------------------------------------------------------------

    async def _follow(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(_SHARED_EVERY if self._is_shared else _ALONE_EVERY)
            await self._settle(has_bans=not self._is_shared or turn % _BANS_EVERY == 0)

    async def _settle(self, *, has_bans: bool) -> None:
        # The store is down: the next round writes the rest.
        if self._rates is not None:
            with contextlib.suppress(PillarboxError):
                await self._ledger.settle(self._rates.meters)
        with contextlib.suppress(PillarboxError):
            await self._memory.settle()
        if has_bans:
            with contextlib.suppress(PillarboxError):
                await self._bans.settle()


def _holds(listeners: tuple[str, ...], name: str) -> bool:
    return not listeners or name in listeners
