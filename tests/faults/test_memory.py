"""Memory has a bound (P4): neither large messages nor a long queue take it all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.faults.nodes import node_for, running
from tests.ledger.book import Book
from tests.ledger.campaign import SINK_PORT, drain, until
from tests.ledger.injector import Injector, load
from tests.ledger.sink import Sink, open_sink
from tests.loopback import own_address
from tests.mail import kept_message
from tests.node_process import SMTP_PORT

from pillarbox.store.port import Batch
from pillarbox.store.sqlite import SqliteStore

_MIB = 2**20
_LARGE = 24 * _MIB
_WORK = 1.0  # CPU seconds
_CGROUPS = Path("/sys/fs/cgroup/memory")


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds."""
    return float(psutil.Process(pid).memory_info().rss / _MIB)


async def peak_mib(pid: int, task: asyncio.Future[object]) -> float:
    """Return the most memory that a process held while a task ran."""
    peak = resident_mib(pid)
    while not task.done():
        peak = max(peak, resident_mib(pid))
        await asyncio.sleep(0.02)
    return peak


@pytest.mark.parametrize(
    "messages", [8, pytest.param(200, marks=pytest.mark.slow)], ids=["short", "long"]
)
@pytest.mark.timeout(600)
def test_large_messages_are_not_held_in_memory(tmp_path: Path, messages: int) -> None:
    """Many messages of 24 MiB at the same time stay within 300 MiB, and arrive whole."""
    sink_address, book = own_address(), Book()
    node = node_for(tmp_path, sink_address)

    async def scenario() -> float:
        injector = Injector(book, node.address, SMTP_PORT, sizes=(_LARGE, _LARGE), limit=messages)
        async with open_sink(Sink(book), sink_address, SINK_PORT), running(node):
            async with load(injector, 6) as tasks:
                peak = await peak_mib(node.pid, asyncio.gather(*tasks))
            draining = asyncio.ensure_future(drain(book, 120))
            return max(peak, await peak_mib(node.pid, draining))

    peak = asyncio.run(scenario())
    verdict = book.verdict()
    assert verdict.is_good, str(verdict)
    assert verdict.acknowledged == messages
    assert peak < 300, f"{peak:.0f} MiB"


@contextmanager
def memory_group(octets: int) -> Iterator[Path]:
    """Make a control group whose processes the kernel kills when they take more."""
    group = _CGROUPS / f"pillarbox-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no memory control group can be made: {error}")
    try:
        (group / "memory.limit_in_bytes").write_text(str(octets))
        yield group
    finally:
        group.rmdir()


@pytest.mark.timeout(300)
def test_a_node_in_a_small_control_group_puts_mail_off_and_is_not_killed(tmp_path: Path) -> None:
    """With 256 MiB for all, large messages are taken or put off, none is lost, and it passes."""
    sink_address, book = own_address(), Book()
    with memory_group(256 * _MIB) as group:
        node = node_for(tmp_path, sink_address)
        node.before = ("sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh")

        async def scenario() -> None:
            injector = Injector(book, node.address, SMTP_PORT, sizes=(_LARGE, _LARGE), limit=9)
            async with open_sink(Sink(book), sink_address, SINK_PORT), running(node):
                async with load(injector, 8) as tasks:
                    await asyncio.gather(*tasks)
                await drain(book, 120)
                before = len(book.acknowledged)
                small = Injector(book, node.address, SMTP_PORT, limit=200)
                async with load(small, 1):
                    await until(lambda: len(book.acknowledged) > before, 20)
                await drain(book, 20)

        asyncio.run(scenario())
    verdict = book.verdict()
    assert verdict.is_good, str(verdict)
    assert verdict.acknowledged > 1, str(verdict)
    assert set(verdict.refusals) <= {421, 452}, str(verdict)


async def fill(path: Path, count: int) -> None:
    """Put so many messages for many destinations into a store, due in an hour or now."""
    now = time.time()
    store = SqliteStore(path, node="main", now=lambda: now)
    await store.open()
    kept = 0
    while kept < count:
        batch = [
            kept_message(f"b{n}@d{n % 500}.example", at=now + n / 1e6, due=now + 3600 * (n % 2))
            for n in range(kept, min(kept + 5_000, count))
        ]
        await store.commit(Batch(keep=batch))
        kept += len(batch)
    await store.close()


def spent(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def weight(directory: Path, backlog: int) -> tuple[float, float]:
    """Return the CPU seconds that a node with a backlog needs to greet, and what it weighs later.

    It goes on to fill its caches; so it is weighed when it has done a measure of work.
    """
    await fill(directory / "pillarbox.db", backlog)
    node = node_for(directory, own_address())  # nobody listens at the next hop
    node.start()
    try:
        await node.ready(seconds=120)
        started = spent(node.pid)
        with contextlib.suppress(TimeoutError):
            await until(lambda: spent(node.pid) >= started + _WORK, 20)
        return started, resident_mib(node.pid)
    finally:
        await asyncio.to_thread(node.stop)


@pytest.mark.parametrize(
    "backlog", [120_000, pytest.param(1_000_000, marks=pytest.mark.slow)], ids=["short", "long"]
)
@pytest.mark.timeout(600)
def test_a_long_queue_needs_no_more_memory_than_a_short_one(tmp_path: Path, backlog: int) -> None:
    """Once the scheduler's memory is full, twice the queue weighs the same, up in seconds."""
    _, short = asyncio.run(weight(tmp_path / "short", backlog // 2))
    seconds, long = asyncio.run(weight(tmp_path / "long", backlog))
    assert long < 1.3 * short, f"{short:.0f} MiB with half of it, {long:.0f} MiB"
    assert long < 400
    assert seconds < 10
