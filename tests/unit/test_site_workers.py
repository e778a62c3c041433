"""The workers of a site: as many come as there are jobs, and none loses its connection."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from pillarbox.config.settings import RouteKind, RouteSettings
from pillarbox.deliver.job import Job
from pillarbox.deliver.sites import Site

_JOB = cast("Job", object())


def _site() -> Site:
    route = RouteSettings(kind=RouteKind.MX, connections=5)
    return Site("host", "out", route, cast("Any", None), lambda _queue: None)


def test_nobody_is_hired_for_a_job_that_somebody_comes_for() -> None:
    """A job that a worker was hired for wants no second one before the first has come."""
    site = _site()
    site.ready.append(_JOB)
    assert site.wants_worker()
    site.hired()
    assert not site.wants_worker()
    site.ready.append(_JOB)
    assert site.wants_worker()


def test_one_idle_worker_is_woken_for_each_job() -> None:
    """However often a site is looked at, one job wakes one worker, and hires none beside it."""

    async def scenario() -> tuple[int, bool]:
        site = _site()
        waits = [asyncio.create_task(site.wait(5)) for _ in range(3)]
        await asyncio.sleep(0)
        site.ready.append(_JOB)
        site.wake()
        site.wake()
        hires = site.wants_worker()
        done, idle = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        site.dismiss()
        await asyncio.wait(idle)
        return sum(task.result() for task in done), hires

    assert asyncio.run(scenario()) == (1, False)


def test_a_worker_that_is_canceled_on_its_way_leaves_the_job_to_others() -> None:
    """A woken worker that never comes is not waited for: the job wants another."""

    async def scenario() -> bool:
        site = _site()
        wait = asyncio.create_task(site.wait(5))
        await asyncio.sleep(0)
        site.ready.append(_JOB)
        site.wake()
        wait.cancel()
        await asyncio.wait([wait])
        return site.wants_worker()

    assert asyncio.run(scenario())
