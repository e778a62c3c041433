"""The PostgreSQL store: lost connections, several nodes, its schema."""

from __future__ import annotations

import asyncio
import time
from importlib.resources import files
from typing import Any

import asyncpg
import pytest
from tests.mail import NOW, delivered, kept_message
from tests.postgres import new_server, shared_server

from pillarbox.errors import PermanentError
from pillarbox.policy.queue import RecipientState
from pillarbox.store.group import GroupCommit
from pillarbox.store.port import Batch, Fenced, KeptMessage, StartMark, StoreUnavailable
from pillarbox.store.postgres import PostgresStore
from pillarbox.store.postgres.migration import migrate
from pillarbox.store.statements import migrations

PACKAGE = "pillarbox.store.postgres"


def at(url: str, node: str = "main") -> PostgresStore:
    """Return a store that is not open yet."""
    return PostgresStore(url, node=node, now=lambda: NOW)


async def loaded(store: PostgresStore) -> list[int]:
    """Return the messages that a store would deliver."""
    work = await store.load(now=NOW, limit=99, per_queue=99, exclude=frozenset())
    return sorted(piece.message.id for piece in work)


async def kill_connections(url: str) -> None:
    """Do what a restart of the server does to those who are connected."""
    connection: Any = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()


def test_a_lost_connection_comes_back_by_itself() -> None:
    """Writing and reading work again soon after the server has dropped the connections."""

    async def main() -> None:
        url = shared_server().database()
        store = at(url)
        await store.open()
        group = GroupCommit(store)
        kept = [kept_message()]
        await group.keep(kept[0])
        assert await loaded(store) == [kept[0].id]
        await kill_connections(url)
        message = kept_message()
        await _keep_soon(group, message, within=5)
        kept.append(message)
        assert not store.has_failed
        assert await _eventually_loaded(store) == [message.id for message in kept]
        await store.close()

    asyncio.run(main())


async def _keep_soon(group: GroupCommit, message: KeptMessage, *, within: float) -> None:
    deadline = time.monotonic() + within
    while True:
        try:
            await group.keep(message)
        except StoreUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return


def test_mail_outlives_a_crash_of_the_server() -> None:
    """While the server is down nothing is kept; within 5 s of its return all goes on."""

    async def main() -> None:
        server = new_server()
        store = at(server.database())
        await store.open()
        group = GroupCommit(store)
        kept = [kept_message() for _ in range(50)]
        await asyncio.gather(*map(group.keep, kept))
        await asyncio.to_thread(server.stop, "immediate")
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await group.keep(kept_message())
        await asyncio.to_thread(server.start)
        last = kept_message()
        await _keep_soon(group, last, within=5)
        expected = sorted([message.id for message in (*kept, last)])
        found = await _eventually_loaded(store)
        assert found == expected
        await store.close()
        await asyncio.to_thread(server.stop)

    asyncio.run(main())


async def _eventually_loaded(store: PostgresStore) -> list[int]:
    for _ in range(100):
        try:
            return await loaded(store)
        except StoreUnavailable:
            await asyncio.sleep(0.05)
    raise TimeoutError


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Opening without a server fails as something that may go away."""

    async def main() -> None:
        with pytest.raises(StoreUnavailable):
            await at("postgresql://postgres@127.0.0.1:1/nothing").open()

    asyncio.run(main())


def test_a_database_that_is_not_there_is_a_mistake() -> None:
    """A wrong name will not go away by waiting."""

    async def main() -> None:
        url = shared_server().database()
        with pytest.raises(PermanentError, match="does not exist"):
            await at(f"{url}_not").open()

    asyncio.run(main())


def test_a_database_that_is_changed_under_way_is_away() -> None:
    """What would be a mistake at the start must not refuse mail for good later on."""

    async def main() -> None:
        url = shared_server().database()
        server, _, name = url.rpartition("/")
        store = at(url)
        await store.open()
        administrator = await asyncpg.connect(f"{server}/postgres")
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        await administrator.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}_moved"')
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.commit(Batch(keep=[kept_message()]))
        with pytest.raises(StoreUnavailable, match=rf"PostgreSQL \(.*/{name}\)|in a moment"):
            await store.load(now=NOW, limit=1, per_queue=1, exclude=frozenset())
        await administrator.execute(f'ALTER DATABASE "{name}_moved" RENAME TO "{name}"')
        await administrator.close()
        await store.close()

    asyncio.run(main())


def test_nodes_share_a_database_and_see_their_own_queues() -> None:
    """Each node loads, counts and changes what it has accepted; all can be found."""

    async def main() -> None:
        url = shared_server().database()
        one, two = at(url, "one"), at(url, "two")
        await asyncio.gather(one.open(), two.open())
        first, second = kept_message(), kept_message()
        await one.commit(Batch(keep=[first]))
        await two.commit(Batch(keep=[second]))
        assert await loaded(one) == [first.id]
        assert await loaded(two) == [second.id]
        assert [sum(c.ages) for c in await one.count(now=NOW)] == [1]
        assert await one.message(second.id) is not None
        await one.close()
        await two.close()

    asyncio.run(main())


def test_mail_for_known_queues_is_kept_whole_or_refused() -> None:
    """One message that cannot be kept keeps the others of its batch out; nor can the fenced."""

    async def main() -> None:
        url = shared_server().database()
        first, second = at(url), at(url)
        await first.open()
        old = kept_message()
        await first.commit(Batch(keep=[old]))  # now its queue is known
        new = kept_message("bob@example.org", "eve@example.org")
        with pytest.raises(PermanentError):
            await first.commit(Batch(keep=[new, kept_message(message=old.id)]))
        assert await loaded(first) == [old.id]
        await first.commit(Batch(keep=[new]))
        found = await first.message(new.id)
        assert found is not None
        assert found.envelope == new.envelope
        assert [chunk async for chunk in first.body(new.id)] == [new.content]
        await second.open()
        with pytest.raises(Fenced):
            await first.commit(Batch(keep=[kept_message()]))
        assert await loaded(second) == [old.id, new.id]
        await first.close()
        await second.close()

    asyncio.run(main())


def test_a_dead_node_is_adopted() -> None:
    """Its mail goes to the one who adopts it, what was in flight too; it itself is fenced."""

    async def main() -> None:
        url = shared_server().database()
        dead, alive, third = at(url, "dead"), at(url, "alive"), at(url, "third")
        for store in (dead, alive, third):
            await store.open()
        flying, waiting, own = kept_message(), kept_message("x@y.example"), kept_message()
        await dead.commit(Batch(keep=[flying, waiting], start=[StartMark(flying.id, (0,))]))
        await alive.commit(Batch(keep=[own]))
        later = NOW + 600
        await alive.heartbeat(now=later)
        await third.heartbeat(now=later)
        assert await alive.adopt(now=later, dead_after=6000) == ()
        assert await alive.adopt(now=later, dead_after=60) == ("dead",)
        assert await third.adopt(now=later, dead_after=60) == ()
        work = await alive.load(now=later, limit=9, per_queue=9, exclude=frozenset())
        assert sorted(w.message.id for w in work) == sorted([flying.id, waiting.id, own.id])
        with pytest.raises(Fenced):
            await dead.commit(Batch(settle=[delivered(flying)]))
        await alive.commit(Batch(settle=[delivered(flying), delivered(waiting)]))
        again = at(url, "dead")
        await again.open()
        assert await loaded(again) == []
        kept = await again.message(flying.id)
        assert kept is not None
        assert kept.recipients[0].state is RecipientState.DELIVERED
        for store in (dead, alive, third, again):
            await store.close()

    asyncio.run(main())


def test_nodes_that_start_together_migrate_once() -> None:
    """Ten nodes may open an empty database at the same time."""

    async def main() -> None:
        url = shared_server().database()
        stores = [at(url, f"node-{number}") for number in range(10)]
        await asyncio.gather(*(store.open() for store in stores))
        await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(main())


def test_migrations_add_up_to_the_schema() -> None:
    """What the migrations build is what schema.sql says."""

    async def described(url: str, *, migrated: bool) -> list[tuple[Any, ...]]:
        connection: Any = await asyncpg.connect(url)
        if migrated:
            await migrate(connection, migrations(PACKAGE))
            await connection.execute("DROP TABLE migration")
        else:
            await connection.execute(files(PACKAGE).joinpath("schema.sql").read_text("utf-8"))
        columns = await connection.fetch(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
            " a.attstorage, a.attidentity FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid"
            " WHERE relnamespace = 'public'::regnamespace AND attnum > 0 ORDER BY 1, attnum"
        )
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        )
        await connection.close()
        return [tuple(row) for row in (*columns, *indexes)]

    async def main() -> None:
        server = shared_server()
        built = await described(server.database(), migrated=True)
        assert built == await described(server.database(), migrated=False)
        assert len(built) > 50

    asyncio.run(main())


def test_a_newer_database_is_refused() -> None:
    """A database that a newer program has migrated is left alone."""

    async def main() -> None:
        url = shared_server().database()
        store = at(url)
        await store.open()
        await store.close()
        connection: Any = await asyncpg.connect(url)
        await connection.execute("INSERT INTO migration (number) VALUES (9999)")
        await connection.close()
        with pytest.raises(PermanentError, match="newer"):
            await at(url).open()

    asyncio.run(main())


def test_copies_are_made_with_the_database_s_own_tools() -> None:
    """Backup says what to use instead."""

    async def main() -> None:
        with pytest.raises(PermanentError, match="pg_dump"):
            await at("postgresql://nowhere/").backup("/tmp/copy")

    asyncio.run(main())
