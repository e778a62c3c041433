"""What every store promises of notes, tried on each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.mail import NOW
from tests.stores import PLACES, Place

from pillarbox.store.notes import Note
from pillarbox.store.port import Store, StoreUnavailable


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """One of the places, empty."""
    return PLACES[request.param](tmp_path)


def run(place: Place, *rounds: Callable[[Store], Awaitable[None]]) -> None:
    """Run steps with an open store, each on a new opening of the place."""

    async def main() -> None:
        for steps in rounds:
            store = place.store()
            await store.open()
            try:
                await steps(store)
            finally:
                await store.close()

    asyncio.run(main())


def note(key: str, value: bytes = b"", *, amount: int = 0, lives: float = 60.0) -> Note:
    """Return a note that lives for some seconds from NOW."""
    return Note(kind="policy", key=key, value=value, amount=amount, expires_at=NOW + lives)


def test_what_is_put_is_there_after_a_restart(place: Place) -> None:
    """Octets come back as they were, and a second put takes the place of the first."""
    whole = note("b.example", bytes(range(256)), amount=7)

    async def put(store: Store) -> None:
        await store.notes.put([note("b.example", b"old"), note("a.example")])
        await store.notes.put([whole])

    async def read(store: Store) -> None:
        assert await store.notes.get("policy", "b.example", now=NOW) == whole
        assert await store.notes.all("policy", now=NOW) == (note("a.example"), whole)
        assert await store.notes.get("other", "b.example", now=NOW) is None

    run(place, put, read)


def test_what_has_expired_is_gone(place: Place) -> None:
    """It is not returned from its end on, and swept then."""

    async def steps(store: Store) -> None:
        await store.notes.put([note("short", lives=10), note("long", lives=20)])
        assert await store.notes.get("policy", "short", now=NOW + 10) is None
        assert [each.key for each in await store.notes.all("policy", now=NOW + 10)] == ["long"]
        assert await store.notes.sweep(now=NOW + 10) == 1
        assert await store.notes.sweep(now=NOW + 10) == 0
        assert await store.notes.get("policy", "short", now=NOW) is None

    run(place, steps)


def test_amounts_add_up_and_begin_anew(place: Place) -> None:
    """An expired amount counts from 0; the last value and end stay."""

    async def steps(store: Store) -> None:
        first = [note("x", amount=2, lives=10), note("y", amount=5)]
        assert await store.notes.add(first, now=NOW) == (2, 5)
        more = [note("y", b"v", amount=1, lives=30), note("x", amount=3, lives=10)]
        assert await store.notes.add(more, now=NOW + 1) == (6, 5)
        assert await store.notes.add([note("x", amount=1)], now=NOW + 10) == (1,)
        assert await store.notes.get("policy", "y", now=NOW) == note("y", b"v", amount=6, lives=30)

    run(place, steps)


def test_nothing_is_lost_when_many_add(place: Place) -> None:
    """Additions that cross each other all count."""

    async def steps(store: Store) -> None:
        keys = ["a", "b", "c"]
        await asyncio.gather(
            *(
                store.notes.add([note(key, amount=1) for key in keys[turn % 2 :]], now=NOW)
                for turn in range(40)
            )
        )
        found = await store.notes.all("policy", now=NOW)
        assert [each.amount for each in found] == [20, 40, 40]

    run(place, steps)


def test_notes_are_removed(place: Place) -> None:
    """Those that are not there are passed over."""

    async def steps(store: Store) -> None:
        await store.notes.put([note("a"), note("b")])
        await store.notes.remove("policy", ["a", "none"])
        assert [each.key for each in await store.notes.all("policy", now=NOW)] == ["b"]

    run(place, steps)


def test_a_closed_store_says_so(place: Place) -> None:
    """It is unavailable, and nothing else."""
    store = place.store()

    async def steps() -> None:
        await store.open()
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.notes.get("policy", "a", now=NOW)
        with pytest.raises(StoreUnavailable):
            await store.notes.put([note("a")])

    asyncio.run(steps())
