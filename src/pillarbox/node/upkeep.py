"""The periodic work of a node: report that it is alive, adopt messages, clean up.

Single failures do not stop it. Two things end the node: another process has taken over its mail, or
the disk has failed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

from pillarbox.clock import Clock
from pillarbox.config.settings import Settings
from pillarbox.errors import PillarboxError
from pillarbox.keyring.ring import KeyRing, make_key_store
from pillarbox.store.port import Fenced, Store

__all__ = ["Upkeep"]

_EVERY: Final = 5.0  # seconds between two heartbeats
_SWEEP_EVERY: Final = 12  # rounds between two cleanups
_DEAD_AFTER: Final = 60.0  # seconds without a heartbeat after which a node's mail is adopted


class Upkeep:
    """The periodic work of a node, from its creation until ``stop``."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        settings: Callable[[], Settings],
        keys: Callable[[], KeyRing],
        adopted: Callable[[], None],
        end: Callable[[str], None],
        on_defect: Callable[[str, BaseException], None],
    ) -> None:
        """Start.

        Args:
            store: The node's store.
            clock: The time.
            settings: Returns the configuration, which may change.
            keys: Returns the keys, which are reloaded now and then.
            adopted: Called when the mail of another node was taken over.
            end: Ends the node, for a reason.
            on_defect: Called with unexpected errors.
        """
        self._store = store
        self._clock = clock
        self._settings = settings
        self._keys = keys
        self._adopted = adopted
        self._end = end
        self._on_defect = on_defect
        self._task = asyncio.create_task(self._keep_up(), name="node: upkeep")

    async def stop(self) -> None:
        """Stop."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_up(self) -> None:
        for turn in itertools.count():
            if self._store.has_failed:
                # A failed sync is never retried: the data in memory may differ from the disk.
                self._end("the store's disk has failed; a restart reads what is there")
                return
            try:
                await self._keep_up_once(is_time_to_sweep=turn % _SWEEP_EVERY == 0)
            except Fenced as error:
                self._end(str(error))
                return
            except PillarboxError:
                pass  # the store is down: its users report that, and the next round tries again
            except Exception as error:  # noqa: BLE001 - without a heartbeat others take our mail
                self._on_defect("upkeep", error)
            await asyncio.sleep(_EVERY)

    async def _keep_up_once(self, *, is_time_to_sweep: bool) -> None:
        store, now = self._store, self._clock.now()
        await store.heartbeat(now=now)
        if await store.adopt(now=now, dead_after=_DEAD_AFTER):
            self._adopted()
        if is_time_to_sweep:  # the command line creates and changes keys
            self._keys().replace(await make_key_store(self._settings()).load())
            await store.notes.sweep(now=now)
        keep = self._settings().store
        while is_time_to_sweep and await store.sweep(  # noqa: ASYNC110 - a part a call
            now=now, keep_final=keep.keep_final, keep_journal=keep.keep_journal
        ):
            await asyncio.sleep(0)
