"""``python -m bench [--quick]``: measure, print a table, write ``var/bench.json``."""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import click
import pytest
from rich.console import Console
from tests.loopback import own_address
from tests.postgres import new_server

from bench.backlog import backlog
from bench.catching import catching
from bench.inbox import inbox
from bench.load import Load, Sink
from bench.logins import logins
from bench.mailauth import mailauth
from bench.phases import FULL, KIB, QUICK, Bench, MakeTarget, Plan
from bench.rows import Row, show, write
from bench.signing import signing
from bench.spf import spf
from bench.targets import Mode, PillarboxOnPostgres, PillarboxTarget, PostfixTarget

_FILE: Final = Path("var/bench.json")
_DESCRIPTORS: Final = 20_000
_WIDTH: Final = 180  # columns where the output is no terminal


@click.command()
@click.option("--quick", is_flag=True, help="The figures that matter, within five minutes.")
def main(*, quick: bool) -> None:
    """Measure pillarbox and, where installed, Postfix, interleaved in one run."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    if shutil.which("smtp-source") is None:
        raise click.ClickException(
            "smtp-source and smtp-sink come with Postfix: run scripts/install-peers.sh first"
        )
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, most), most))
    makers: list[MakeTarget] = [PillarboxTarget]
    if PostfixTarget.is_installed():
        makers.append(PostfixTarget)
    else:
        console.print("Postfix is not installed, or this is not root: nothing to compare with")
    with (
        tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as folder,
        Sink(own_address()) as sink,
    ):
        rows = _measure(Bench(Path(folder), sink, console), makers, quick=quick)
    write(rows, _FILE)
    show(rows, console)
    console.print(f"written to {_FILE}")


def _measure(bench: Bench, makers: list[MakeTarget], *, quick: bool) -> list[Row]:
    plan = QUICK if quick else FULL
    rows: list[Row] = []
    for load in plan.acceptance:
        rows += bench.throughput(makers, Mode.ACCEPT, load, plan)
    for load in plan.relay:
        rows += bench.throughput(makers, Mode.RELAY, load, plan)
    rows += signing(bench, plan)
    rows += mailauth()
    rows += spf()
    rows += inbox()
    rows += catching(bench, plan)
    rows += _on_postgres(bench, plan)
    rows += bench.latency(makers, plan)
    rows.append(bench.idle(PillarboxTarget))
    rows += logins(bench)
    if not quick:
        rows.append(backlog(bench))
    return rows


def _on_postgres(bench: Bench, plan: Plan) -> list[Row]:
    """Measure durable acceptance on PostgreSQL, where the machine has one."""
    try:
        server = new_server()
    except pytest.skip.Exception as reason:
        bench.console.print(f"PostgreSQL is not measured: {reason}")
        return []
    try:
        maker = partial(PillarboxOnPostgres, store=server.database())
        load = Load(size=4 * KIB, connections=50, messages=0)
        return bench.throughput([maker], Mode.ACCEPT, load, plan)
    finally:
        server.stop()


main()
