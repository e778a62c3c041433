"""The inbox's file: its lock, its schema, crashes, damage, a full disk, and hostile queries."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from importlib.resources import files
from pathlib import Path

import apsw
import pytest
from tests.inboxes import Listener, asked, inbox_at, keep, mail, run, subjects
from tests.mail import NOW, kept_message

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.inbox.sqlite import SqliteInbox
from pillarbox.inbox.values import Cap, Selection
from pillarbox.message.summary import MailSummary, summarize
from pillarbox.search.query import Query, Term, Word
from pillarbox.store.port import BodyDamaged, MessageId, StoreFull, StoreUnavailable
from pillarbox.store.sqlite import SqliteStore
from pillarbox.store.sqlite.connection import FileLock
from pillarbox.store.sqlite.migration import migrate
from pillarbox.store.statements import migrations

PACKAGE = "pillarbox.inbox.sqlite"
SEEDS = [pytest.param(n, marks=pytest.mark.slow) if n >= 15 else n for n in range(200)]
_ROOT = Path(__file__).parents[2]


def keep_one(path: Path, **facts: str) -> None:
    """Open an inbox, keep a mail, close it again."""

    async def steps(inbox: SqliteInbox) -> None:
        await keep(inbox, mail(**facts))  # type: ignore[arg-type]

    run(lambda: inbox_at(path), steps)


def found_in(path: Path, query: str = "") -> list[str]:
    """Open an inbox and return the subjects of what it finds."""
    found: list[str] = []

    async def steps(inbox: SqliteInbox) -> None:
        found.extend(await subjects(inbox, query))

    run(lambda: inbox_at(path), steps)
    return found


def open_fails(path: Path, match: str) -> None:
    """Check that an inbox cannot be opened, and why."""

    async def main() -> None:
        with pytest.raises(PermanentError, match=match):
            await inbox_at(path).open()

    asyncio.run(main())


def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    """Mail, words, tags, marks, settings and what was removed are in the file."""
    path = tmp_path / "inbox.db"

    async def first(inbox: SqliteInbox) -> None:
        ids = await keep(inbox, *(mail(subject=f"mail {n}", text=f"word{n}") for n in range(3)))
        await inbox.tag(Selection(ids=frozenset(ids[:1])), add=["kept"])
        await inbox.mark(Selection(ids=frozenset(ids[:1])), is_read=True)
        await inbox.put_setting("kind", "name", b"value")
        assert (await inbox.remove(Selection(ids=frozenset(ids[2:])))).undo == "1"

    async def second(inbox: SqliteInbox) -> None:
        assert await subjects(inbox, "word0 tag:kept is:read") == ["mail 0"]
        assert await subjects(inbox, "mail") == ["mail 1", "mail 0"]
        assert len(await inbox.restore("1")) == 1
        assert await subjects(inbox, "word2") == ["mail 2"]
        assert await inbox.settings("kind") == {"name": b"value"}

    run(lambda: inbox_at(path), first)
    run(lambda: inbox_at(path), second)


def test_what_was_not_indexed_is_indexed_after_a_crash(tmp_path: Path) -> None:
    """A process that dies behind a commit leaves mail which the next one finds by its words."""
    path = tmp_path / "inbox.db"
    code = """
import asyncio, os, sys
from pathlib import Path
from tests.inboxes import inbox_at, keep, mail
from pillarbox.inbox.values import Cap
async def main():
    inbox = inbox_at(Path(sys.argv[1]))
    await inbox.open()
    inbox.hold_to({}, Cap(max_messages=90))
    await keep(inbox, *(mail(subject=f"mail {n}", text=f"word{n}") for n in range(100)))
    await inbox.write_chunk(1, 0, b"of a mail that never came")
    os._exit(9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, cwd=_ROOT)
    assert done.returncode == 9

    async def steps(inbox: SqliteInbox) -> None:
        assert await subjects(inbox, "word99") == ["mail 99"]
        assert len(await subjects(inbox, "mail")) == 90

    run(lambda: inbox_at(path), steps)
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT count(*) FROM chunk").get == 0


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """A process that is killed at any moment has kept whatever it had said was kept, whole."""
    path = tmp_path / "inbox.db"
    code = """
import asyncio, sys
from pathlib import Path
from tests.inboxes import inbox_at, keep, mail
from tests.mail import NOW
from pillarbox.inbox.values import Cap
async def main():
    inbox = inbox_at(Path(sys.argv[1]))
    await inbox.open()
    inbox.hold_to({}, Cap(max_messages=50))
    for n in range(1_000_000):
        text = f"turn{sys.argv[2]}number{n} " * 500
        at = NOW + int(sys.argv[2]) + n / 1000
        await keep(inbox, *(mail(text=text, at=at) for _ in range(9)))
        print(n, flush=True)
asyncio.run(main())
"""
    for turn, seconds in enumerate((0.0, 0.05, 0.15)):
        command = [sys.executable, "-c", code, str(path), str(turn)]
        with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(seconds)
            process.kill()
            *lines, _ = (first + process.stdout.read()).split(b"\n")
        last = f'"turn{turn}number{int(lines[-1])}"'
        fewest = min(len(lines) * 9, 50)

        async def look(inbox: SqliteInbox, last: str = last, fewest: int = fewest) -> None:
            assert (await inbox.find(asked(last))).total == 9
            page = await inbox.find(limit=100)
            assert fewest <= page.total <= 50
            for summary in page.summaries:
                assert await inbox.content(summary.id)

        run(lambda: inbox_at(path), look)


def test_one_process_has_the_file(tmp_path: Path) -> None:
    """A second sandbox on the same file is refused, and told which process has it."""
    path = tmp_path / "inbox.db"
    lock = FileLock(path)
    open_fails(path, f"in use by process {os.getpid()}")
    lock.release()
    keep_one(path)


def test_others_cannot_read_the_file(tmp_path: Path) -> None:
    """The file, its log and its folder are the owner's alone."""
    path = tmp_path / "var" / "inbox.db"

    async def steps(inbox: SqliteInbox) -> None:
        await keep(inbox, mail())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {0o600}

    run(lambda: inbox_at(path), steps)


def test_migrations_add_up_to_the_schema() -> None:
    """What the migrations build is what schema.sql says."""
    built, written = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    migrate(built, Path("unused"), migrations(PACKAGE))
    written.execute(files(PACKAGE).joinpath("schema.sql").read_text(encoding="utf-8"))
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
    assert built.execute(query).fetchall() == written.execute(query).fetchall()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file that a newer program has migrated is left alone."""
    path = tmp_path / "inbox.db"
    keep_one(path)
    apsw.Connection(str(path)).pragma("user_version", 9999)
    open_fails(path, "newer")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Damage to the structure is told in words, and the file stays as it is."""
    path = tmp_path / "inbox.db"
    keep_one(path)
    octets = bytearray(path.read_bytes())
    octets[8192:40960] = os.urandom(40960 - 8192)
    path.write_bytes(octets)
    open_fails(path, str(path))
    assert path.read_bytes() == octets


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """Any other file is left alone."""
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes. " * 1000)
    open_fails(path, "not a database")
    assert path.read_text().startswith("These are my notes.")


def test_a_store_is_no_inbox(tmp_path: Path) -> None:
    """The file of a server is not taken for that of a sandbox."""
    path = tmp_path / "pillarbox.db"

    async def main() -> None:
        store = SqliteStore(path, node="main", now=lambda: NOW)
        await store.open()
        await store.close()

    asyncio.run(main())
    open_fails(path, "not the inbox of a sandbox")


@pytest.mark.parametrize("place", ["/dev/null/inbox.db", "/proc/inbox.db"])
def test_a_place_that_cannot_be_written_is_told(place: str) -> None:
    """The error names the place."""
    open_fails(Path(place), place.rsplit("/", 1)[0])


def test_a_damaged_content_is_not_handed_out(tmp_path: Path) -> None:
    """Octets that are not what was kept raise, and the rest of the inbox flows."""
    path = tmp_path / "inbox.db"
    keep_one(path, text="a flipped octet")
    octets = path.read_bytes()
    assert octets.count(b"a flipped octet\r\n") == 1
    path.write_bytes(octets.replace(b"a flipped octet\r\n", b"a flopped octet\r\n"))

    async def steps(inbox: SqliteInbox) -> None:
        (summary,) = (await inbox.find()).summaries
        with pytest.raises(BodyDamaged, match="damaged"):
            await inbox.content(summary.id)
        await keep(inbox, mail())

    run(lambda: inbox_at(path), steps)


@pytest.mark.parametrize("seed", SEEDS)
def test_damage_anywhere_is_told_or_harmless(tmp_path: Path, seed: int) -> None:
    """Flipped octets in any page make errors that are ours, or none, and never wrong octets."""
    path = tmp_path / "inbox.db"
    contents: dict[int, bytes | None] = {}

    async def fill(inbox: SqliteInbox) -> None:
        for n in range(30):
            kept = mail(subject=f"mail {n}", text=f"word{n} " * 300, fields="X-Tags: a\r\n")
            await keep(inbox, kept)
            contents[kept.id] = kept.content

    run(lambda: inbox_at(path), fill)
    chance = random.Random(seed)
    octets = bytearray(path.read_bytes())
    for _ in range(40):
        octets[chance.randrange(100, len(octets))] = chance.randrange(256)
    path.write_bytes(octets)

    async def look() -> None:
        inbox = inbox_at(path)
        with contextlib.suppress(PermanentError):
            await inbox.open()
            for step in (
                inbox.find(limit=100),
                inbox.find(asked("word7 -word8 from:ann tag:a")),
                inbox.tags(),
                inbox.counts(),
                inbox.mark(Selection(), is_read=True),
                inbox.remove(Selection(query=asked("word3"))),
                inbox.sweep(now=NOW + 700),
                keep(inbox, mail()),
            ):
                with contextlib.suppress(PillarboxError):
                    await step
            for number, content in contents.items():
                with contextlib.suppress(PillarboxError):
                    assert await inbox.content(MessageId(number)) in (content, None)
        await inbox.close()

    asyncio.run(look())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_gets_over(small_disk: Path) -> None:
    """With no room left a commit is refused whole; once there is room, mail is kept again."""

    async def steps(inbox: SqliteInbox) -> None:
        with pytest.raises(StoreFull):
            await fill(inbox)
        kept = (await inbox.counts()).total
        assert kept > 10
        assert not inbox.has_failed
        assert len(await subjects(inbox)) == kept
        assert (await inbox.free_octets() or 0) < 1_000_000
        ballast.unlink()
        await keep(inbox, mail(subject="after"))
        assert len(await subjects(inbox)) == kept + 1
        assert await subjects(inbox, "subject:after") == ["after"]

    async def fill(inbox: SqliteInbox) -> None:
        for n in range(1_000):
            await keep(inbox, mail(subject="before", text="x" * 20_000, at=NOW + n))

    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    run(lambda: inbox_at(small_disk / "inbox.db"), steps)


def test_a_disk_that_fails_is_not_trusted(tmp_path: Path) -> None:
    """After an error of the disk nothing more is written until the inbox is opened anew."""
    path = tmp_path / "inbox.db"

    async def steps(inbox: SqliteInbox) -> None:
        await keep(inbox, mail(subject="kept"))
        assert inbox._session is not None
        inbox._session.opened.database.guard.reason = "disk I/O error"
        assert inbox.has_failed
        with pytest.raises(StoreUnavailable, match="disk I/O error"):
            await keep(inbox, mail())

    run(lambda: inbox_at(path), steps)
    assert found_in(path) == ["kept"]


def test_room_is_given_back(tmp_path: Path) -> None:
    """When much has gone, the file becomes smaller by itself."""
    path = tmp_path / "inbox.db"

    async def steps(inbox: SqliteInbox) -> None:
        for _ in range(4):
            await keep(inbox, *(mail(text="word " * 10_000) for _ in range(100)))
        before = (await pages(inbox))[0]
        inbox.hold_to({}, Cap(max_messages=1))
        await inbox.sweep(now=NOW)
        while await inbox._run(lambda opened: opened.tidy(lambda: True)):
            pass
        total, free = await pages(inbox)
        assert total < before / 2
        assert free < max(total, 1_100)

    async def pages(inbox: SqliteInbox) -> tuple[int, int]:
        execute = inbox._open.opened.database.execute
        return execute("PRAGMA page_count").get, execute("PRAGMA freelist_count").get

    run(lambda: inbox_at(path), steps)


def test_the_loop_goes_on_meanwhile() -> None:
    """While much is kept, searched, removed and pushed out, the loop turns in every one of them."""

    async def steps(inbox: SqliteInbox) -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def turned(operation: Awaitable[object]) -> bool:
            before = turns
            await operation
            return turns > before  # never, if the work was done in the loop's own thread

        turning = asyncio.create_task(turn())
        inbox.hold_to({}, Cap(max_messages=1_500))
        mails = [[mail(text="words to be found " * 50) for _ in range(300)] for _ in range(10)]
        for batch in mails:
            assert await turned(keep(inbox, *batch))
            assert await turned(inbox.find(asked("found")))
        assert await turned(inbox.remove(Selection()))
        assert await turned(inbox.sweep(now=NOW + 700))
        turning.cancel()

    run(lambda: inbox_at(None), steps)


ATTACKS = (
    *("'", '"', "''", '""', "\\", "%", "%%%", "_", "*", "^a", "a*", "*a", "(", ")", "()", "{a b}"),
    *("' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE mail; --", "1; ATTACH DATABASE 'x' AS y"),
    *("x') UNION SELECT facts FROM summary --", "admin'/*", "\\'; SELECT load_extension('x')"),
    *(
        "a AND b",
        "a OR b",
        "NOT a",
        "a NOT b",
        "NEAR(a b, 2)",
        "body:a",
        "-body : a",
        "subject : a",
    ),
    *("{subject body} : a", "rank", "words MATCH 'a'", '"a" "b"', 'a"b', '"', '" OR "a', "a + b"),
    *("\x00", "a\x00b", "\ud800", "\U0010ffff", "\u202eabc", "?", "?1", ":name", "@name", "$name"),
    *("' || (SELECT hex(octets) FROM content) || '", "🎉", "x" * 900, "a " * 40, "%_" * 400),
)
"""What is typed by who wants more than to find mail: SQL, LIKE and full-text syntax."""


def test_queries_are_data() -> None:
    """No text is syntax anywhere: it finds what contains it, and nothing else happens."""

    async def steps(inbox: SqliteInbox) -> None:
        listener = Listener(inbox)
        await keep(inbox, mail(subject="secret"), mail(subject="100% a_b 'quoted' \"twice\""))
        for attack in ATTACKS:
            for word in Word:
                if word in _ELSEWHERE:
                    continue
                for is_negated in (False, True):
                    terms = (Term(word, attack, is_negated), Term(word, attack, is_phrase=True))
                    page = await inbox.find(Query(terms), project="inbox")
                    assert page.total in (0, 1, 2)
            if attack.isascii():
                assert (await inbox.find(project=attack)).total == 0
                assert await inbox.tags(attack) == ()
                assert (await inbox.counts(attack)).total == 0
                assert await inbox.settings(attack) == {}
                assert await inbox.transcript(attack) is None
            assert await inbox.rename_tag(attack, None) == 0
            assert await inbox.restore(attack) == ()
        assert len(await subjects(inbox)) == 2
        assert listener.gone == []
        assert await subjects(inbox, "subject:%") == await subjects(inbox, "subject:_")
        assert await subjects(inbox, "subject:'quoted'") == await subjects(inbox, "subject:%")
        assert await subjects(inbox, "subject:s_cret") == []
        assert await subjects(inbox, "subject:s%t") == []

    run(lambda: inbox_at(None), steps)


_ELSEWHERE = frozenset(
    {
        *(Word.STATUS, Word.STREAM, Word.DOMAIN, Word.MX, Word.IP, Word.CODE, Word.BOUNCE),
        *(Word.IS, Word.HAS),
    }
)


@pytest.mark.parametrize("term", [Term(Word.STATUS, "sent"), Term(Word.IS, "nonsense")])
def test_what_cannot_be_asked_of_caught_mail_is_an_error(term: Term) -> None:
    """A term that the inbox does not know is refused, and never taken for all mail."""

    async def steps(inbox: SqliteInbox) -> None:
        with pytest.raises(PermanentError, match="cannot be asked"):
            await inbox.remove(Selection(query=Query((term,))))

    run(lambda: inbox_at(None), steps)


@pytest.mark.parametrize("attack", ["sideways", "mail.id; DROP TABLE mail", "is_listed"])
def test_an_order_is_one_of_four(attack: str) -> None:
    """Nothing else gets near the statement."""

    async def steps(inbox: SqliteInbox) -> None:
        with pytest.raises(PermanentError, match="cannot be asked"):
            await inbox.find(Query(order=attack))

    run(lambda: inbox_at(None), steps)


def test_memory_is_bounded() -> None:
    """However much comes, memory holds what the cap allows, and a bounded rest."""

    async def steps(inbox: SqliteInbox) -> None:
        inbox.hold_to({}, Cap(max_octets=2_000_000))
        execute = inbox._open.opened.database.execute
        for turn in range(400):
            mails = [
                kept_message(content=b"Subject: x\r\n\r\n" + b"word " * 8_000) for _ in range(5)
            ]
            await keep(inbox, *mails)
            if turn % 10 == 0:
                await inbox.remove(Selection())
        octets = execute("PRAGMA page_count").get * execute("PRAGMA page_size").get
        assert octets < 32_000_000  # of the 80 that came

    run(lambda: inbox_at(None), steps)


def test_a_defect_in_reading_keeps_no_mail_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that pillarbox fails to sum up is kept with the others, and says so in the list."""

    def fail(octets: bytes) -> MailSummary:
        if b"odd" in octets:
            raise RecursionError("too deep")
        return summarize(octets)

    async def steps(inbox: SqliteInbox) -> None:
        odd, fine = await keep(inbox, mail(subject="odd"), mail(subject="fine"))
        summary = await inbox.summary(odd)
        assert summary is not None
        assert summary.snippet == "(pillarbox cannot read this mail: RecursionError: too deep)"
        assert b"odd" in (await inbox.content(odd) or b"")
        assert await inbox.summary(fine) is not None

    monkeypatch.setattr("pillarbox.inbox.sqlite.reading.summarize", fail)
    run(lambda: inbox_at(None), steps)
