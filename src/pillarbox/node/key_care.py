"""Rotates DKIM keys in the node, as ``pillarbox dkim rotate`` does by hand.

Guarantees: no key signs before every authoritative server has its record, and none is destroyed
    while mail that it signed may be in transit. Nothing is done unless ``dkim.rotate_after`` is
    set.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from pillarbox.clock import Clock
from pillarbox.config.settings import DkimDomainSettings, Settings
from pillarbox.errors import PillarboxError
from pillarbox.events.types import DkimKeyChanged, Sink
from pillarbox.intake.keeping_on import keep_on
from pillarbox.keyring.inspection import inspect
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.port import KeyStore
from pillarbox.keyring.publication import publication
from pillarbox.keyring.ring import KeyRing, make_key_store
from pillarbox.keyring.rotation import activate, algorithms_of, make_keys, retire, see
from pillarbox.node.adapters import make_authorities
from pillarbox.policy.key_life import KeyState

__all__ = ["KeyCare"]

_LOOK_EVERY: Final = 3_600.0
_WAITING: Final = frozenset({KeyState.MADE, KeyState.PUBLISHED, KeyState.SEEN})


class KeyCare:
    """Rotates the keys of a node, from its creation until ``stop``."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        ring: Callable[[], KeyRing],
        clock: Clock,
        sink: Sink,
    ) -> None:
        """Start rotating.

        Args:
            settings: Returns the configuration, which may change.
            ring: Returns the signing keys, which are replaced as they change.
            clock: The time.
            sink: Receives an event for every change of a key.
        """
        self._settings = settings
        self._ring = ring
        self._clock = clock
        self._sink = sink
        self.unpublished: tuple[str, ...] = ()
        """Domains with new keys whose records are not on all servers yet."""
        self._task = keep_on(self._look_on, "node: DKIM keys")

    async def stop(self) -> None:
        """Stop rotating."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look_on(self) -> None:
        while True:
            with contextlib.suppress(
                PillarboxError
            ):  # an unreadable directory is reported elsewhere
                await self.look()
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> None:
        """Take the next step for every domain with keys.

        Raises:
            PillarboxError: The keys cannot be read or stored.
        """
        settings = self._settings()
        if not settings.dkim.rotate_after:
            self.unpublished = ()
            return
        store = make_key_store(settings)
        keys = await store.load()
        waiting = []
        for domain in dict.fromkeys(key.domain for key in keys):
            own = [key for key in keys if key.domain == domain]
            if await self._take_further(settings, store, domain, own):
                waiting.append(domain)
        self.unpublished = tuple(waiting)
        self._ring().replace(await store.load())

    async def _take_further(
        self, settings: Settings, store: KeyStore, domain: str, own: Sequence[KeptKey]
    ) -> bool:
        """Take the next step for one domain; return whether it waits for DNS records."""
        rules = settings.dkim_domain.get(domain) or DkimDomainSettings()
        keep = partial(self._keep, store, rules)
        now = self._clock.now()
        for step in retire(own, now, settings.queue.lifetime):
            await keep(step.after)
        waiting = [key for key in own if key.state in _WAITING]
        if not waiting:
            signing = [key for key in own if key.state is KeyState.SIGNING]
            if signing and all(now - key.since >= settings.dkim.rotate_after for key in signing):
                make = partial(make_keys, own, domain, algorithms_of(rules))
                for key in await asyncio.to_thread(make, rsa_bits=rules.rsa_bits, now=now):
                    await keep(key)
                return True
            return False
        authorities = make_authorities(settings)
        found = [await inspect(key, authorities, rules.delegate) for key in waiting]
        changed = {step.before.name: step.after for step in see(found, now)}
        for key in changed.values():
            await keep(key)
        begun = activate([changed.get(key.name, key) for key in own], now)
        for step in begun:
            await keep(step.after)
        return not begun

    async def _keep(self, store: KeyStore, rules: DkimDomainSettings, key: KeptKey) -> None:
        await store.keep(key)
        is_new = key.state is KeyState.MADE
        records = publication(key, rules.delegate).zone_lines if is_new else ()
        self._sink(
            DkimKeyChanged(
                at=self._clock.now(),
                domain=key.domain,
                name=key.name,
                state=key.state.value,
                record=list(records),
            )
        )
