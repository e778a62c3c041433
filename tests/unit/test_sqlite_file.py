"""The SQLite store's file: its lock, its schema, its copies, and damage to it."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import threading
from importlib.resources import files
from pathlib import Path

import apsw
import pytest
from tests.mail import NOW, kept_message

from pillarbox.errors import PermanentError
from pillarbox.store.memory import MemoryStore
from pillarbox.store.port import Batch, BodyDamaged, MessageId, Selection, StartMark
from pillarbox.store.postgres import PostgresStore
from pillarbox.store.select import make_store
from pillarbox.store.sqlite import SqliteStore, restore
from pillarbox.store.sqlite.connection import FileLock, check_library
from pillarbox.store.sqlite.migration import migrate
from pillarbox.store.sqlite.writer import SQL, Writer
from pillarbox.store.statements import migrations, multi_row

PACKAGE = "pillarbox.store.sqlite"


def at(path: Path) -> SqliteStore:
    """Return a store that is not open yet."""
    return SqliteStore(path, node="main", now=lambda: NOW)


async def keep_one(path: Path) -> int:
    """Open a store, keep a message, close it again."""
    store, message = at(path), kept_message()
    await store.open()
    await store.commit(Batch(keep=[message]))
    await store.close()
    return message.id


def schema_of(connection: apsw.Connection) -> set[tuple[str, ...]]:
    """Return every table and index."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
    return {tuple(map(str, row)) for row in connection.execute(query)}


def test_one_process_has_the_file(tmp_path: Path) -> None:
    """A second process is refused, and told which process has the file."""
    path = tmp_path / "pillarbox.db"
    lock = FileLock(path)
    code = (
        "import asyncio, sys; from pathlib import Path;"
        "from pillarbox.store.sqlite import SqliteStore;"
        "asyncio.run(SqliteStore(Path(sys.argv[1]), node='main', now=lambda: 0.0).open())"
    )
    command = [sys.executable, "-c", code, str(path)]
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert f"in use by process {os.getpid()}" in refused.stderr
    lock.release()
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_others_cannot_read_the_files(tmp_path: Path) -> None:
    """The file, its log and its folder are the owner's alone."""

    async def main() -> None:
        path = tmp_path / "var" / "pillarbox.db"
        store = at(path)
        await store.open()
        await store.commit(Batch(keep=[kept_message()]))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert set(modes) >= {"pillarbox.db", "pillarbox.db-wal", "pillarbox.db.lock"}
        assert set(modes.values()) == {0o600}
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2"])
def test_an_old_library_is_refused(version: str) -> None:
    """SQLite with the WAL-reset bug is not used."""
    with pytest.raises(PermanentError, match="WAL-reset"):
        check_library(version)


def test_a_new_library_is_accepted() -> None:
    """3.51.3 has the fix."""
    check_library("3.51.3")
    check_library("4.0.0")


def test_migrations_add_up_to_the_schema() -> None:
    """What the migrations build is what schema.sql says."""
    built, written = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    migrate(built, Path("unused"), migrations(PACKAGE))
    written.execute(files(PACKAGE).joinpath("schema.sql").read_text(encoding="utf-8"))
    assert schema_of(built) == schema_of(written)


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file that a newer program has migrated is left alone."""

    async def main() -> None:
        path = tmp_path / "pillarbox.db"
        await keep_one(path)
        apsw.Connection(str(path)).pragma("user_version", 9999)
        with pytest.raises(PermanentError, match="newer"):
            await at(path).open()

    asyncio.run(main())


def test_a_copy_is_made_before_a_migration(tmp_path: Path) -> None:
    """A file with mail is copied before its schema changes; the copy is the way back."""

    async def main() -> None:
        path = tmp_path / "pillarbox.db"
        message = await keep_one(path)
        known = migrations(PACKAGE)
        newer = (*known, (known[-1][0] + 1, "ALTER TABLE message ADD COLUMN mood TEXT;"))
        connection = apsw.Connection(str(path))
        migrate(connection, path, newer)
        connection.close()
        with pytest.raises(PermanentError, match="newer"):
            await at(path).open()
        restore(Path(f"{path}.schema-{known[-1][0]}"), path)
        store = at(path)
        await store.open()
        assert await store.message(message) is not None  # type: ignore[arg-type]
        await store.close()

    asyncio.run(main())


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """Half a migration is none."""
    connection = apsw.Connection(str(tmp_path / "x.db"))
    with pytest.raises(apsw.SQLError):
        migrate(connection, tmp_path / "x.db", [(1, "CREATE TABLE a (b); CREATE TABLE a (b);")])
    assert schema_of(connection) == set()
    assert connection.pragma("user_version") == 0


def test_something_else_is_not_opened(tmp_path: Path) -> None:
    """A text file, a folder and another program's database are refused, and left as they are."""

    async def main() -> None:
        text = tmp_path / "text"
        text.write_text("this is no database " * 1000)
        other = tmp_path / "other.db"
        connection = apsw.Connection(str(other))
        connection.execute("CREATE TABLE a (b)")
        connection.close()
        for path in (text, other, tmp_path, Path("/proc/nothing/here")):
            with pytest.raises(PermanentError):
                await at(path).open()
        assert text.read_text().startswith("this is no database")

    asyncio.run(main())


def test_damage_is_found_after_an_unclean_stop(tmp_path: Path) -> None:
    """A file whose pages were overwritten is refused at the next start after a crash."""

    async def main() -> None:
        path = tmp_path / "pillarbox.db"
        store = at(path)
        await store.open()
        await store.commit(Batch(keep=[kept_message() for _ in range(300)]))
        await store.close()
        connection = apsw.Connection(str(path))
        connection.execute("UPDATE node SET is_clean = 0")
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'recipient'").get
        connection.close()
        with path.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(os.urandom(4096))
        with pytest.raises(PermanentError, match=r"damaged|malformed"):
            await at(path).open()

    asyncio.run(main())


def test_a_bad_page_of_bodies_damages_these_alone(tmp_path: Path) -> None:
    """Where a body's page cannot be read, its message can be held and the rest flows."""

    async def main() -> None:
        path = tmp_path / "pillarbox.db"
        message = await keep_one(path)
        connection = apsw.Connection(str(path))
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'body'").get
        connection.close()
        with path.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(bytes(4096))
        store = at(path)
        await store.open()
        with pytest.raises(BodyDamaged):
            await anext(store.body(MessageId(message)))
        assert len(await store.find(Selection(), limit=9)) == 1
        assert len(await store.verify()) > 0
        await store.close()

    asyncio.run(main())


def test_a_copy_of_a_running_store_can_be_restored(tmp_path: Path) -> None:
    """A backup made while mail comes in is consistent, and what was in flight is suspect."""

    async def main() -> None:
        path, copy = tmp_path / "pillarbox.db", tmp_path / "copy.db"
        store = at(path)
        await store.open()
        before, after = kept_message(), kept_message()
        await store.commit(Batch(keep=[before], start=[StartMark(before.id, (0,))]))
        await store.backup(str(copy))
        await store.commit(Batch(keep=[after]))
        with pytest.raises(PermanentError, match="exists"):
            await store.backup(str(copy))
        with pytest.raises(PermanentError, match="in use"):
            restore(copy, path)
        await store.close()
        restore(copy, path)
        again = at(path)
        await again.open()
        assert await again.message(before.id) is not None
        assert await again.message(after.id) is None
        assert [work.message.id for work in await again.suspects()] == [before.id]
        assert await again.verify() == ()
        await again.close()
        assert Path(f"{path}.replaced").exists()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600

    asyncio.run(main())


def test_a_damaged_copy_is_not_restored(tmp_path: Path) -> None:
    """Restore looks at the copy first, and leaves the store alone if it is no good."""

    async def main() -> None:
        path, copy = tmp_path / "pillarbox.db", tmp_path / "copy.db"
        message = await keep_one(path)
        copy.write_bytes(path.read_bytes()[:8192])
        with pytest.raises(PermanentError):
            restore(copy, path)
        with pytest.raises(PermanentError):
            restore(tmp_path / "nothing.db", path)
        store = at(path)
        await store.open()
        assert await store.message(message) is not None  # type: ignore[arg-type]
        await store.close()

    asyncio.run(main())


def test_writes_find_their_rows_by_key() -> None:
    """No statement of the hot path scans a table."""
    connection = apsw.Connection(":memory:")
    migrate(connection, Path("unused"), migrations(PACKAGE))
    for name in ("start_attempts", "settle_recipients", "finish_messages", "drop_bodies"):
        sql = multi_row(SQL[name], 4)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))
        steps = [str(row[3]) for row in plan]
        tables = ("recipient", "message", "body")
        assert not [step for step in steps if step.startswith(tuple(f"SCAN {t}" for t in tables))]


@pytest.mark.parametrize("seconds", [0.0001, 0.1])
def test_only_quick_commits_hold_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """One message is committed by the loop itself on a quick disk, and aside on a slow one."""
    threads: list[threading.Thread] = []
    real_commit = Writer.commit

    def commit(writer: Writer, batch: Batch) -> None:
        threads.append(threading.current_thread())
        real_commit(writer, batch)
        writer.typical_seconds = seconds

    monkeypatch.setattr(Writer, "commit", commit)

    async def main() -> None:
        store, kept = at(tmp_path / "pillarbox.db"), [kept_message() for _ in range(4)]
        await store.open()
        await store.commit(Batch(keep=kept[:1]))  # nothing is known of the disk yet
        await asyncio.sleep(0.05)  # the writer's thread looks after its log
        await store.commit(Batch(keep=kept[1:2]))
        await store.commit(Batch(keep=kept[2:]))  # too much for the loop
        assert [message.id for message in await store.find(Selection(), limit=9)] == [
            message.id for message in kept
        ]
        await store.close()

    asyncio.run(main())
    is_loop = [thread is threading.current_thread() for thread in threads]
    assert is_loop == [False, seconds < 0.001, False]


def test_a_url_chooses_the_store(tmp_path: Path) -> None:
    """Each kind of URL makes its store; others are refused without showing a password."""

    def choose(url: str) -> object:
        return make_store(url, directory=tmp_path, node="main", now=lambda: NOW)

    assert isinstance(choose("memory:"), MemoryStore)
    assert isinstance(choose("sqlite:pillarbox.db"), SqliteStore)
    assert isinstance(choose("postgresql://u:secret@db/mail"), PostgresStore)
    for url in ("mysql://u:secret@db/mail", "sqlite:", "pillarbox.db", "memory:x", ""):
        with pytest.raises(PermanentError) as caught:
            choose(url)
        assert "secret" not in str(caught.value)
