"""A process that keeps mail until it is killed, and prints what it was told is kept.

Run as ``python -m tests.keeper PATH SYNCHRONOUS``. Each line is the number of a message
whose commit had returned; a line that is not complete does not count.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import zlib
from pathlib import Path

from tests.mail import delivered, kept_message

from pillarbox.store.group import GroupCommit
from pillarbox.store.ids import IdMaker
from pillarbox.store.port import BodyDamaged, MessageId, StartMark
from pillarbox.store.sqlite import SqliteStore

_SENDERS = 20
_ROOT = Path(__file__).parents[1]


def body_of(message: MessageId) -> bytes:
    """Return the content that belongs to a message and no other."""
    return b"Subject: %d\r\n\r\n" % message + b"%d\r\n" % (message * 7919) * 100


async def keep_forever(path: Path, synchronous: str) -> None:
    """Keep messages as fast as they are kept; start and settle some on the way."""
    now = time.time()
    store = SqliteStore(path, node="main", now=lambda: now, synchronous=synchronous)
    await store.open()
    group, ids = GroupCommit(store), IdMaker(0, lambda: now)

    async def send() -> None:
        while True:
            number = ids.next()
            message = kept_message(message=number, at=now, content=body_of(number))
            await group.keep(message)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            if number % 3 == 0:
                await group.start([StartMark(number, (0,))])
            if number % 9 == 0:
                await group.settle([delivered(message)])

    await asyncio.gather(*(send() for _ in range(_SENDERS)))


def run_and_kill(path: Path, *, seconds: float, synchronous: str = "full") -> list[MessageId]:
    """Let such a process run for some time after its first message; return what it printed."""
    command = [sys.executable, "-m", "tests.keeper", str(path), synchronous]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        lines = (first + process.stdout.read()).split(b"\n")
    return [MessageId(int(line)) for line in lines[:-1]]


def missing(path: Path, expected: list[MessageId]) -> list[MessageId]:
    """Open the store as the next start would, and return what of the expected is not there."""

    async def look() -> list[MessageId]:
        store = SqliteStore(path, node="main", now=lambda: 0.0)
        await store.open()
        try:
            return [number for number in expected if not await _is_there(store, number)]
        finally:
            await store.close()

    return asyncio.run(look())


async def _is_there(store: SqliteStore, number: MessageId) -> bool:
    kept = await store.message(number)
    if kept is None or kept.checksum != zlib.crc32(body_of(number)):
        return False
    if not kept.recipients[0].state.value:  # still queued: then with its body
        try:
            chunks = [chunk async for chunk in store.body(number)]
        except BodyDamaged:
            return False
        return b"".join(chunks) == body_of(number)
    return True


if __name__ == "__main__":
    asyncio.run(keep_forever(Path(sys.argv[1]), sys.argv[2]))
