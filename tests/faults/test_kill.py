"""kill -9 at random, under load: what got 250 arrives, or its sender hears of it.

The short forms fork their nodes, so that fifty starts take seconds; the long ones run the
command, interpreter and all.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tests.faults.nodes import node_for
from tests.ledger.book import Verdict
from tests.ledger.campaign import Campaign, moody, run
from tests.loopback import own_address
from tests.node_process import NodeProcess
from tests.postgres import new_server

ALLOWED_REFUSALS = {421, 451, 452}
IN_FLIGHT = 64
"""Deliveries that a node may have to write down at any moment, and so double when it dies."""


def judge(verdict: Verdict, capsys: pytest.CaptureFixture[str]) -> None:
    """Fail on anything that was promised and not kept; print the figures in any case."""
    with capsys.disabled():
        print(f"\n  ledger: {verdict}")
    assert verdict.is_good, str(verdict)
    assert verdict.excused <= verdict.kills * IN_FLIGHT, str(verdict)
    assert verdict.acknowledged > verdict.kills * 5, str(verdict)
    assert set(verdict.refusals) <= ALLOWED_REFUSALS, str(verdict)


def kill_sqlite(directory: Path, kills: int, *, is_forked: bool) -> Verdict:
    """Kill a node on SQLite so many times."""
    sink = own_address()
    return campaign(node_for(directory, sink, is_forked=is_forked), sink, kills)


def kill_postgres(directory: Path, kills: int, *, is_forked: bool) -> Verdict:
    """Kill a node on PostgreSQL so many times."""
    server = new_server()
    try:
        sink = own_address()
        node = node_for(directory, sink, store=server.database(), is_forked=is_forked)
        return campaign(node, sink, kills)
    finally:
        server.stop()


def campaign(node: NodeProcess, sink: str, kills: int) -> Verdict:
    """Kill a node so many times, in front of a sink of changing moods."""
    plan = Campaign(
        kills=kills, longest=0.5 if node.is_forked else 0.8, mood=moody(random.Random())
    )
    return asyncio.run(run(plan, node, sink))


@pytest.mark.timeout(420)
def test_nothing_is_lost_when_a_node_on_sqlite_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fifty kills lose nothing, and double only what was in flight."""
    judge(kill_sqlite(tmp_path, 50, is_forked=True), capsys)


@pytest.mark.timeout(420)
def test_nothing_is_lost_when_a_node_on_postgresql_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fifty kills lose nothing, and double only what was in flight."""
    judge(kill_postgres(tmp_path, 50, is_forked=True), capsys)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_kills_of_a_node_on_sqlite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The long form: a thousand kills lose nothing."""
    judge(kill_sqlite(tmp_path, 1_000, is_forked=False), capsys)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_hundred_kills_of_a_node_on_postgresql(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The long form: three hundred kills lose nothing."""
    judge(kill_postgres(tmp_path, 300, is_forked=False), capsys)
