"""Work of a node that goes on whatever fails in it once."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from pillarbox.intake.keeping_on import keep_on
from pillarbox.lab.clock import run_virtual


def test_work_that_fails_is_told_and_begun_again() -> None:
    """An unexpected error is told by name, and the work goes on ten seconds later."""
    told: list[dict[str, Any]] = []
    turns: list[float] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        for number in itertools.count():
            turns.append(loop.time())
            if number == 1:
                raise ZeroDivisionError
            await asyncio.sleep(1.0)

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        task = keep_on(work, "a name")
        await asyncio.sleep(11.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(watch())
    assert [context["message"] for context in told] == ["a name"]
    assert isinstance(told[0]["exception"], ZeroDivisionError)
    assert [turn - turns[0] for turn in turns] == [0.0, 1.0, 11.0]
