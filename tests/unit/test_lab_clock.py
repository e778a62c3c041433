"""Virtual time: what must hold before anything is tested on it."""

from __future__ import annotations

import asyncio
import time

import pytest

from pillarbox.lab.clock import LabClock, run_virtual

DAY = 86_400.0


def test_five_days_pass_in_a_moment() -> None:
    """Sleeping costs virtual time, to the second, and hardly any real time."""

    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(5 * DAY)
        return loop.time() - before

    started = time.monotonic()
    assert run_virtual(sleep()) == pytest.approx(5 * DAY)
    assert time.monotonic() - started < 2


def test_timers_fire_in_their_order() -> None:
    """A jump never skips a timer: each one sees its own time."""
    seen: list[tuple[str, float]] = []

    async def note(name: str, delay: float) -> None:
        await asyncio.sleep(delay)
        seen.append((name, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(note("late", 3600), note("early", 1), note("middle", 60))

    run_virtual(main())
    assert seen == [("early", 1), ("middle", 60), ("late", 3600)]


def test_a_busy_worker_thread_stops_the_clock() -> None:
    """No time-out fires because a worker thread computes."""

    def compute() -> int:
        end = time.monotonic() + 0.15
        rounds = 0
        while time.monotonic() < end:
            rounds += 1
        return rounds

    async def main() -> int:
        async with asyncio.timeout(0.001):
            return await asyncio.get_running_loop().run_in_executor(None, compute)

    assert run_virtual(main()) > 0


def test_loopback_sockets_are_faster_than_any_timeout() -> None:
    """A conversation over loopback takes no virtual time."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def main() -> float:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        async with asyncio.timeout(0.001):
            for _ in range(200):
                writer.write(b"x" * 1000 + b"\n")
                await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0


def test_the_wall_clock_jumps_and_the_monotonic_does_not() -> None:
    """A jump of the wall clock leaves timers alone."""

    async def main() -> tuple[float, float, float]:
        clock = LabClock(start=1000.0)
        clock.jump(DAY)
        after_jump = clock.now()
        await asyncio.sleep(10)
        clock.jump(-2 * DAY)
        return after_jump, clock.now(), clock.monotonic()

    assert run_virtual(main()) == (1000 + DAY, 1010 - DAY, 10)
