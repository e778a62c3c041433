"""``python -m bench.against CHECKOUT``: this checkout beside another one, say of an older commit.

Both run the same phases side by side and in turn, and the table shows what a change was worth:
"this" is the checkout that lies here. The other one is made by ``git worktree add --detach
FOLDER COMMIT``. On a busy machine, ranges that overlap say nothing; run it several times.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from tests.loopback import own_address

from bench.catching import SandboxInFile, SandboxTarget
from bench.load import Load, Sink
from bench.phases import KIB, Bench, Plan
from bench.rows import Row, show
from bench.signing import PillarboxSigning
from bench.targets import Mode, PillarboxTarget, Target

_DESCRIPTORS: Final = 20_000
_WIDTH: Final = 150
_SMALL: Final = Load(size=4 * KIB, connections=50, messages=0)
_CAUGHT: Final = Load(size=10 * KIB, connections=20, messages=0)


def _phases() -> dict[str, tuple[type[Target], Mode, Load]]:
    single = replace(_CAUGHT, keeps_connections=False)
    return {
        "acceptance": (PillarboxTarget, Mode.ACCEPT, _SMALL),
        "large": (PillarboxTarget, Mode.ACCEPT, replace(_SMALL, size=50 * KIB)),
        "relay": (PillarboxTarget, Mode.RELAY, _SMALL),
        "signing": (PillarboxSigning, Mode.RELAY, _SMALL),
        "caught": (SandboxTarget, Mode.ACCEPT, _CAUGHT),
        "caught-one": (SandboxTarget, Mode.ACCEPT, single),
        "caught-file": (SandboxInFile, Mode.ACCEPT, _CAUGHT),
        "caught-file-one": (SandboxInFile, Mode.ACCEPT, single),
    }


@click.command()
@click.argument("checkout", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--phase", "names", multiple=True, help="Only these; all otherwise.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="That one measurement takes.")
def main(checkout: Path, names: Sequence[str], rounds: int, seconds: float) -> None:
    """Measure this checkout and another, interleaved in one run."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, most), most))
    plan = Plan(rounds=rounds, seconds=seconds, acceptance=(), relay=(), latency_messages=400)
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="pillarbox-against-") as folder,
        Sink(own_address()) as sink,
    ):
        bench = Bench(Path(folder), sink, console)
        for name, (kind, mode, load) in _phases().items():
            if not names or name in names:
                makers = [_named(kind, "this"), _named(kind, "other", checkout)]
                rows += bench.throughput(makers, mode, load, plan, label=name)
        if not names or "latency" in names:
            makers = [_named(PillarboxTarget, "this"), _named(PillarboxTarget, "other", checkout)]
            rows += bench.latency(makers, plan)
    show(rows, console)


def _named(kind: type[Target], label: str, checkout: Path | None = None) -> type[Target]:
    """Return a kind of target that runs what lies in ``checkout``."""

    class Named(kind):
        name = label

        def _start(self) -> None:
            before = os.environ.get("PYTHONPATH")
            if checkout is not None:
                os.environ["PYTHONPATH"] = str(checkout / "src")
            try:
                super()._start()
            finally:
                os.environ.pop("PYTHONPATH", None)
                if before is not None:
                    os.environ["PYTHONPATH"] = before

    return Named


if __name__ == "__main__":
    main()
