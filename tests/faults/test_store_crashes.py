"""What was kept is there after a kill, a power cut, and a full disk."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from tests.keeper import missing, run_and_kill
from tests.lossyfs import cut_power, lossy_folder
from tests.mail import NOW, delivered, kept_message

from pillarbox.errors import PermanentError
from pillarbox.policy.queue import RecipientState
from pillarbox.store.group import GroupCommit
from pillarbox.store.port import Batch, MessageId, StoreUnavailable
from pillarbox.store.sqlite import SqliteStore


def kill_often(path: Path, *, kills: int) -> None:
    """Kill a process that keeps mail, again and again, and look for everything it printed."""
    chance = random.Random(kills)
    kept: list[MessageId] = []
    for _ in range(kills):
        kept += run_and_kill(path, seconds=chance.uniform(0.0, 0.15))
    assert len(kept) >= kills
    assert missing(path, kept) == []


def test_what_was_kept_outlives_a_kill(tmp_path: Path) -> None:
    """Over twenty kills at random moments, every message whose commit returned is found."""
    kill_often(tmp_path / "pillarbox.db", kills=20)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_was_kept_outlives_many_kills(tmp_path: Path) -> None:
    """The same over three hundred kills."""
    kill_often(tmp_path / "pillarbox.db", kills=300)


def lost_at_power_cuts(folder: Path, *, cuts: int, synchronous: str) -> int:
    """Return how many messages that were kept are gone after power cuts."""
    lost = 0
    for number in range(cuts):
        mounted = folder / f"{synchronous}-{number}"
        mounted.mkdir()
        with lossy_folder(mounted, seed=number) as disk:
            path = disk / "pillarbox.db"
            seconds = random.Random(number).uniform(0.0, 0.2)
            kept = run_and_kill(path, seconds=seconds, synchronous=synchronous)
            cut_power(disk)
            try:
                lost += len(missing(path, kept))
            except PermanentError:  # damaged beyond opening
                lost += len(kept)
    return lost


def test_what_was_kept_outlives_a_power_cut(tmp_path: Path) -> None:
    """On a disk that forgets what was not synced, no message is lost."""
    assert lost_at_power_cuts(tmp_path, cuts=8, synchronous="full") == 0


def test_the_power_cuts_are_real(tmp_path: Path) -> None:
    """Without syncing, such power cuts lose mail: the test above would notice."""
    for number in range(10):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if lost_at_power_cuts(folder, cuts=1, synchronous="off"):
            return
    pytest.fail("ten power cuts lost nothing that had not been synced")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_was_kept_outlives_many_power_cuts(tmp_path: Path) -> None:
    """The same over a hundred power cuts."""
    assert lost_at_power_cuts(tmp_path, cuts=100, synchronous="full") == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_mail_and_recovers(small_disk: Path) -> None:
    """A full disk is StoreFull, keeps what was kept, and takes mail when it has room again."""

    async def main() -> None:
        store = SqliteStore(small_disk / "pillarbox.db", node="main", now=lambda: NOW)
        await store.open()
        group = GroupCommit(store)
        kept = [kept_message(content=os.urandom(4096))]
        await group.keep(kept[0])
        filler = small_disk / "filler"
        filler.write_bytes(bytes(2 * 1024 * 1024))
        while ((await store.free_octets()) or 0) > 256 * 1024:
            kept.append(kept_message(content=os.urandom(16_384)))
            await group.keep(kept[-1])
        assert len(kept) > 1
        for message in kept:
            await group.settle([delivered(message)])
        assert await store.verify() == ()
        await store.close()

    asyncio.run(main())


class FailingDisk(apsw.VFS):
    """SQLite's view of a disk of which one write or sync can be made to fail."""

    def __init__(self) -> None:
        self.left: int | None = None  # calls that still work; None: all
        super().__init__("failing", base="unix", makedefault=True)

    def xOpen(self, name: object, flags: list[int]) -> FailingFile:  # noqa: N802 - its name
        return FailingFile(self, name, flags)

    def count(self, failure: int) -> None:
        """Let a call work, or fail if its turn has come."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise apsw.exception_for(failure)


class FailingFile(apsw.VFSFile):
    """A file on it."""

    def __init__(self, disk: FailingDisk, name: object, flags: list[int]) -> None:
        super().__init__("unix", name, flags)  # type: ignore[arg-type]
        self._disk = disk

    def xSync(self, flags: int) -> None:  # noqa: N802 - its name
        self._disk.count(apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - its name
        self._disk.count(apsw.SQLITE_IOERR_WRITE)
        super().xWrite(data, offset)


@pytest.fixture
def failing_disk() -> Iterator[FailingDisk]:
    """Put all files of SQLite on a disk that can fail."""
    disk = FailingDisk()
    yield disk
    disk.unregister()


def test_a_failed_sync_is_never_retried(tmp_path: Path, failing_disk: FailingDisk) -> None:
    """After the disk has failed once nothing is kept, until the store is opened again."""

    async def main() -> None:
        store = SqliteStore(tmp_path / "pillarbox.db", node="main", now=lambda: NOW)
        await store.open()
        before, after = kept_message(), kept_message()
        await store.commit(Batch(keep=[before]))
        failing_disk.left = 0
        with pytest.raises(StoreUnavailable):
            await store.commit(Batch(keep=[kept_message()]))
        assert failing_disk.left is None
        assert store.has_failed
        with pytest.raises(StoreUnavailable, match="opened again"):
            await store.commit(Batch(keep=[after]))
        await store.close()
        again = SqliteStore(tmp_path / "pillarbox.db", node="main", now=lambda: NOW)
        await again.open()
        await again.commit(Batch(keep=[after]))
        kept = await again.message(before.id)
        assert kept is not None
        assert kept.recipients[0].state is RecipientState.QUEUED
        await again.close()

    asyncio.run(main())


def test_no_failing_call_makes_a_success(tmp_path: Path, failing_disk: FailingDisk) -> None:
    """Whichever write or sync of a commit fails: what was said to be kept is there, whole."""

    async def attempt(number: int) -> bool:
        path = tmp_path / f"{number}.db"
        store = SqliteStore(path, node="main", now=lambda: NOW)
        await store.open()
        batch = [kept_message(f"a@d{n}.example", content=os.urandom(9000)) for n in range(3)]
        failing_disk.left = number
        try:
            await store.commit(Batch(keep=batch))
            is_kept = True
        except StoreUnavailable:
            is_kept = False
        was_hit = failing_disk.left is None
        failing_disk.left = None
        await store.close()
        await store.open()
        found = [message.id for message in batch if await store.message(message.id)]
        assert len(found) in ((3,) if is_kept else (0, 3))
        assert await store.verify() == ()
        await store.close()
        return was_hit

    async def main() -> None:
        number = 0
        while await attempt(number):
            number += 1
        assert number > 10

    asyncio.run(main())
