"""The measurements, each interleaved over the targets and repeated."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.load import (
    Load,
    Sink,
    SourceFailedError,
    finish_source,
    hold_connections,
    latencies,
    start_source,
)
from bench.rows import Row, Samples
from bench.targets import Mode, Target

MakeTarget = Callable[[Path, Mode, str], Target]

KIB: Final = 1024
_PATIENCE: Final = 20.0  # seconds without a message after which a relay has stopped
_FEWEST: Final = 200
_MOST: Final = 40_000
_IDLE: Final = 10_000
_SETTLE: Final = 1.0  # seconds between opening the idle connections and weighing them


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float  # that one measurement is to take
    acceptance: tuple[Load, ...]
    relay: tuple[Load, ...]
    latency_messages: int


def _loads(sizes: Sequence[int], connections: Sequence[int], *, keep: bool = True) -> list[Load]:
    return [
        Load(size=size, connections=number, messages=0, keeps_connections=keep)
        for size, number in itertools.product(sizes, connections)
    ]


_SMALL: Final = 4 * KIB
_LARGE: Final = 50 * KIB
QUICK: Final = Plan(
    rounds=3,
    seconds=1.0,
    acceptance=(
        *_loads([_SMALL], [1, 10, 50, 100]),
        *_loads([_LARGE], [50]),
        *_loads([_SMALL], [50], keep=False),
    ),
    relay=(*_loads([_SMALL], [10, 50]), *_loads([_LARGE], [50])),
    latency_messages=400,
)
FULL: Final = Plan(
    rounds=5,
    seconds=2.0,
    acceptance=(
        *_loads([_SMALL, _LARGE], [1, 10, 50, 100]),
        *_loads([_SMALL, _LARGE], [1, 10, 50, 100], keep=False),
    ),
    relay=(
        *_loads([_SMALL, _LARGE], [1, 10, 50, 100]),
        *_loads([_SMALL, _LARGE], [10, 50], keep=False),
    ),
    latency_messages=1_000,
)


@dataclass(slots=True)
class Bench:
    """Where the measurements happen."""

    directory: Path
    sink: Sink
    console: Console

    @contextmanager
    def running(self, makers: Sequence[MakeTarget], mode: Mode) -> Iterator[list[Target]]:
        """Run fresh instances of the targets side by side."""
        with ExitStack() as stack:
            targets = []
            for number, make in enumerate(makers):
                target = make(self.directory / f"target-{number}", mode, self.sink.address)
                stack.callback(target.stop)
                target.start()
                targets.append(target)
            yield targets

    def throughput(
        self,
        makers: Sequence[MakeTarget],
        mode: Mode,
        load: Load,
        plan: Plan,
        label: str = "",
    ) -> list[Row]:
        """Measure messages a second and what they cost; ``label`` names it otherwise."""
        phase = label or mode.value
        phase += "" if load.keeps_connections else ", one message a connection"
        with self.running(makers, mode) as targets:
            samples = {target.name: Samples([], [], [], []) for target in targets}
            counts = {target.name: self._calibrate(target, load, plan) for target in targets}
            for _ in range(plan.rounds):
                for target in targets:
                    self._sample(target, replace(load, messages=counts[target.name]), samples)
        rows = [
            samples[target.name].row(target.name, phase, load.size, load.connections)
            for target in targets
        ]
        for row in rows:
            rate = f"{row.rate_median:,.0f}/s" if row.rate_median else row.note
            self.console.print(
                f"{phase}, {load.size // KIB} KiB, {load.connections} connections: "
                f"{row.target} {rate}"
            )
        return rows

    def _calibrate(self, target: Target, load: Load, plan: Plan) -> int:
        messages = max(load.connections * 4, 100)
        try:
            rate, _ = self._once(target, replace(load, messages=messages))
        except SourceFailedError:
            return _FEWEST
        return int(min(max(rate * plan.seconds, _FEWEST, load.connections * 4), _MOST))

    def _sample(self, target: Target, load: Load, samples: dict[str, Samples]) -> None:
        into = samples[target.name]
        try:
            rate, cpu = self._once(target, load)
        except SourceFailedError as error:
            into.failures.append(str(error))
            return
        into.rates.append(rate)
        into.cpu.append(cpu / load.messages * 1000)
        into.rss.append(target.meter.rss_mib())

    def _once(self, target: Target, load: Load) -> tuple[float, float]:
        """Return messages a second, and the seconds of processor time for all of them."""
        goal = self.sink.received + load.messages
        before = target.meter.cpu_seconds()
        began = time.perf_counter()
        source = start_source(target, load)
        if target.mode is Mode.RELAY:
            ended = self.sink.wait_for(goal, patience=_PATIENCE)
            finish_source(source)
            if self.sink.received < goal:
                raise SourceFailedError(f"{goal - self.sink.received} messages did not arrive")
        else:
            finish_source(source)
            ended = time.perf_counter()
        return load.messages / (ended - began), target.meter.cpu_seconds() - before

    def latency(self, makers: Sequence[MakeTarget], plan: Plan) -> list[Row]:
        """Measure the time from the final dot to the 250, on one connection."""
        with self.running(makers, Mode.ACCEPT) as targets:
            taken: dict[str, list[float]] = {target.name: [] for target in targets}
            for target in targets:
                latencies(target, _SMALL, 50)  # warm
            for _ in range(plan.rounds):
                for target in targets:
                    # Servers limit the messages of a connection, Postfix at no number.
                    taken[target.name] += latencies(target, _SMALL, plan.latency_messages)
        return [
            Row(
                target=name,
                phase="latency",
                size=_SMALL,
                connections=1,
                p50_ms=percentile(values, 0.50) * 1000,
                p99_ms=percentile(values, 0.99) * 1000,
            )
            for name, values in taken.items()
        ]

    def idle(self, make: MakeTarget) -> Row:
        """Measure the memory of a server with many connections that say nothing."""
        with self.running([make], Mode.ACCEPT) as (target,):
            empty = target.meter.rss_mib()
            held = hold_connections(target, _IDLE)
            time.sleep(_SETTLE)
            full = target.meter.rss_mib()
            for connection in held:
                connection.close()
        grown = (full - empty) * KIB / max(len(held), 1)
        return Row(
            target=target.name,
            phase="idle connections",
            connections=len(held),
            rss_mib=full,
            note=f"{grown:.1f} KiB each",
        )


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which a part (0 to 1) of all lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]
