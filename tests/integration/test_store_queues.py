"""Queue keys that nothing stands in any more do not stay in the store for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import asyncpg
import pytest
from tests.mail import NOW, delivered, kept_message
from tests.postgres import shared_server

from pillarbox.store.group import GroupCommit
from pillarbox.store.port import Batch, Change, KeptMessage, Selection, Store, Way
from pillarbox.store.postgres import PostgresStore
from pillarbox.store.sqlite import SqliteStore

LATER = NOW + 7 * 3600
Destinations = Callable[[], Awaitable[set[tuple[str, str]]]]


def sqlite(folder: Path) -> tuple[Store, Destinations]:
    path = folder / "pillarbox.db"

    async def look() -> set[tuple[str, str]]:
        with apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY) as file:
            rows = file.execute("SELECT destination, route FROM queue").fetchall()
        return {(str(destination), str(route)) for destination, route in rows}

    return SqliteStore(path, node="main", now=lambda: NOW), look


def postgres(_: Path) -> tuple[Store, Destinations]:
    url = shared_server().database()

    async def look() -> set[tuple[str, str]]:
        connection = await asyncpg.connect(url)
        rows = await connection.fetch("SELECT destination, route FROM queue")
        await connection.close()
        return {(row[0], row[1]) for row in rows}

    return PostgresStore(url, node="main", now=lambda: NOW), look


@pytest.fixture(params=[sqlite, postgres])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, Destinations]:
    """A store, and what shows its queue keys."""
    store: tuple[Store, Destinations] = request.param(tmp_path)
    return store


async def sweep(store: Store, at: float) -> int:
    """Remove what is old, as upkeep does; return how much."""
    total = 0
    while removed := await store.sweep(now=at, keep_final=60, keep_journal=86_400):
        total += removed
    return total


def test_keys_go_with_the_last_mail_that_stood_there(kept: tuple[Store, Destinations]) -> None:
    """A key stays as long as mail refers to it, whatever its state; numbers never come back."""
    store, look = kept

    async def main() -> None:
        await store.open()
        done = [kept_message(f"a@done{n}.example") for n in range(5)]
        held, waits = kept_message("b@held.example"), kept_message("c@waits.example", due=9e9)
        settled = [delivered(message) for message in done]
        await store.commit(Batch(keep=[*done, held, waits], settle=settled))
        await store.change(Selection(messages=frozenset({held.id})), Change.HOLD, now=NOW)
        last = kept_message("z@last.example")
        await store.commit(Batch(keep=[last], settle=[delivered(last)]))
        assert await sweep(store, LATER) >= 6 + 5
        left = {("held.example", "mx"), ("waits.example", "mx")}
        assert await look() - {("last.example", "mx")} == left
        again = kept_message("a@done3.example")
        await store.commit(Batch(keep=[again]))
        works = await store.load(now=NOW, limit=9, per_queue=9, exclude=frozenset())
        assert [work.queue.destination for work in works] == ["done3.example"]
        assert await store.verify() == ()
        await store.close()

    asyncio.run(main())


def test_keys_that_come_into_use_meanwhile_stay(kept: tuple[Store, Destinations]) -> None:
    """Mail that is kept, or moved, while keys are removed never refers to a missing one."""
    store, _ = kept

    async def main() -> None:
        await store.open()
        group = GroupCommit(store)
        for turn in range(1, 16):
            names = [f"a@x{turn}-{number}.example" for number in range(20)]
            gone = [kept_message(name) for name in names]
            await store.commit(Batch(keep=gone, settle=[delivered(one) for one in gone]))
            mover = kept_message(f"a@mover{turn}.example")
            await group.keep(mover)

            async def keep_some(names: list[str] = names) -> list[KeptMessage]:
                messages = [kept_message(name) for name in names]
                for message in messages:
                    await group.keep(message)
                return messages

            async def move(mover: KeptMessage = mover, turn: int = turn) -> None:
                chosen = Selection(messages=frozenset({mover.id}))
                way = Way(f"other{turn}", "")
                await store.change(chosen, Change.RETRY, now=NOW, way=way)

            await asyncio.gather(sweep(store, NOW + turn * 8 * 3600), keep_some(), move())
            assert await store.verify() == ()
        await store.close()

    asyncio.run(main())
