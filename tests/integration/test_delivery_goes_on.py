"""What delivers goes on, whatever fails in it once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.delivery_rig import Rig

from pillarbox.events.types import RecipientDelivered
from pillarbox.lab.clock import run_virtual
from pillarbox.policy.queue import RecipientState


def test_a_defect_in_reading_back_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told at once, and what waits in the store is delivered all the same."""
    told: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with Rig() as rig:
            load = rig.memory.load

            async def broken(**_: Any) -> Any:
                monkeypatch.setattr(rig.memory, "load", load)
                raise RuntimeError("odd")

            monkeypatch.setattr(rig.memory, "load", broken)
            message = rig.message("bob@one.test")
            await rig.group.keep(message)  # and not offered: it is found in the store
            rig.deliverer._scheduler.refresh()
            await rig.wait_for(RecipientDelivered, 1, within=60)
            assert await rig.state(message) is RecipientState.DELIVERED

    run_virtual(main())
    assert [str(context["exception"]) for context in told] == ["odd"]
