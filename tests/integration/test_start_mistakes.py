"""What keeps a node from starting is said with what to do about it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from pillarbox.cli.main import cli
from pillarbox.config.check import check
from pillarbox.config.loader import load
from pillarbox.config.settings import NodeSettings
from pillarbox.errors import PermanentError
from pillarbox.node.process import become
from pillarbox.store.port import StoreFull
from pillarbox.store.sqlite import SqliteStore, opening


def test_without_a_configuration_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` in any folder makes no node that takes no mail; it says how to begin."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(cli, ["serve"])
    assert not list(tmp_path.iterdir())
    assert said.exit_code == 1
    assert "pillarbox init" in said.output


def test_a_user_that_there_is_not_is_named(tmp_path: Path) -> None:
    """With the command that makes it."""
    with pytest.raises(PermanentError, match=re.escape("`useradd --system no-such-user`")):
        become(NodeSettings(directory=tmp_path, user="no-such-user"))


def test_a_directory_that_cannot_be_made_is_named() -> None:
    """The key is in the error, not only the path."""
    with pytest.raises(PermanentError, match=r"node\.directory /proc/none/var cannot be made"):
        become(NodeSettings(directory=Path("/proc/none/var")))


def test_a_directory_that_cannot_be_looked_at_is_a_finding(tmp_path: Path) -> None:
    """A path below a file, or in somebody else's folder, is no traceback."""
    (tmp_path / "file").touch()
    path = tmp_path / "pillarbox.toml"
    path.write_text(f"[node]\ndirectory = '{tmp_path}/{'x' * 300}/var'\n")
    found = check(load(path, {}))
    assert "PB-CONFIG-067" in {finding.code for finding in found}


def test_a_damaged_store_leads_to_its_backup(tmp_path: Path) -> None:
    """The command that puts a copy in its place is in the error."""
    path = tmp_path / "pillarbox.db"
    path.write_bytes(b"no database" * 1_000)
    store = SqliteStore(path, node="main", now=lambda: 0.0)
    with pytest.raises(PermanentError, match="pillarbox restore --hold"):
        asyncio.run(store.open())


def test_a_full_disk_at_the_start_can_be_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a temporary error, so that a service manager tries again."""

    def full(*_: object, **__: object) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(opening, "connect_writer", full)
    store = SqliteStore(tmp_path / "pillarbox.db", node="main", now=lambda: 0.0)
    with pytest.raises(StoreFull, match="free some room"):
        asyncio.run(store.open())
