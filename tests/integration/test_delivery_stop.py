"""Stopping while start marks are on their way to a slow disk."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.delivery_rig import Rig

from pillarbox.events.types import RecipientDelivered
from pillarbox.lab.clock import run_virtual
from pillarbox.policy.queue import RecipientState
from pillarbox.store.port import Store


class _SlowDisk:
    """A store whose commits take their time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, batch: Any) -> None:
        await asyncio.sleep(0.2)
        await self._store.commit(batch)


def test_marks_that_land_while_we_stop_are_taken_back() -> None:
    """What is marked after stop began is queued again: never sent unrecorded, never suspect."""

    async def main() -> None:
        async with Rig(wrap=_SlowDisk) as rig:
            first = await rig.send("slow-dot-5s@one.test")
            await asyncio.sleep(2)
            late = [rig.message("slow-dot-5s@one.test") for _ in range(10)]
            await asyncio.gather(*map(rig.group.keep, late))
            for message in late:
                rig.deliverer.offer(message)
            await asyncio.sleep(0.05)
            await rig.deliverer.stop(30.0)
            await asyncio.sleep(30)
            assert await rig.state(first) is RecipientState.DELIVERED
            kept = [await rig.recipient(message) for message in late]
            assert {(one.state, one.attempts) for one in kept} == {(RecipientState.QUEUED, 0)}
            assert len(rig.told(RecipientDelivered)) == 1
            assert len(rig.server("mx.one.test").messages) == 1

    run_virtual(main())
