"""A long queue: what a restart with it takes, and what it weighs."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Iterator
from typing import Final

from bench.phases import Bench
from bench.rows import Row
from bench.targets import Mode, PillarboxTarget
from pillarbox.clock import SystemClock
from pillarbox.policy.queue import QueueKey
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.store.ids import IdMaker
from pillarbox.store.port import Batch, KeptMessage, KeptRecipient
from pillarbox.store.sqlite import SqliteStore

_MESSAGES: Final = 1_000_000
_DESTINATIONS: Final = 2_000
_AT_A_TIME: Final = 5_000
_CONTENT: Final = b"Subject: queued\r\nFrom: <a@sender.example>\r\n\r\n" + b"X" * 998 + b"\r\n"
_WATCHED: Final = 20.0  # seconds after the restart in which the memory is looked at


def backlog(bench: Bench) -> Row:
    """Measure a restart with a million queued messages, half of them due at once."""
    target = PillarboxTarget(bench.directory / "backlog", Mode.RELAY, bench.sink.address)
    target.start()
    target.pause()
    bench.console.print(f"filling a queue with {_MESSAGES:,} messages")
    asyncio.run(_fill(target))
    seconds = target.resume()
    peak = 0.0
    end = time.monotonic() + _WATCHED
    while time.monotonic() < end:
        peak = max(peak, target.meter.rss_mib())
        time.sleep(0.1)
    target.stop()
    return Row(
        target=target.name,
        phase="restart with a backlog",
        size=len(_CONTENT),
        rss_mib=peak,
        note=f"{_MESSAGES:,} queued, greets after {seconds:.1f} s",
    )


async def _fill(target: PillarboxTarget) -> None:
    clock = SystemClock()
    store = SqliteStore(target.directory / "pillarbox.db", node="main", now=clock.now)
    await store.open()
    try:
        messages = _messages(clock)
        while batch := [message for _, message in zip(range(_AT_A_TIME), messages, strict=False)]:
            await store.commit(Batch(keep=batch))
    finally:
        await store.close()


def _messages(clock: SystemClock) -> Iterator[KeptMessage]:
    ids = IdMaker(1, clock.now)
    checksum = zlib.crc32(_CONTENT)
    header_size = _CONTENT.index(b"\r\n\r\n") + 4
    now = clock.now()
    for number in range(_MESSAGES):
        domain = f"d{number % _DESTINATIONS}.example"
        yield KeptMessage(
            id=ids.next(),
            accepted_at=now,
            envelope=Envelope(
                reverse_path=Mailbox("a", "sender.example"),
                recipients=(Recipient(Mailbox(f"b{number}", domain)),),
            ),
            recipients=(
                KeptRecipient(
                    index=0,
                    queue=QueueKey("", domain, "out", ""),
                    next_attempt_at=now + 3600 * (number % 2),
                ),
            ),
            size=len(_CONTENT),
            content=_CONTENT,
            checksum=checksum,
            header_size=header_size,
            origin="in",
        )
