"""What was measured, as rows: for people a table with ratios, for machines a file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

_REFERENCES: Final = frozenset({"postfix", "postfix + opendkim, RSA", "dkimpy", "pyspf"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one target in one phase; None is what the phase does not measure."""

    target: str
    phase: str
    size: int = 0  # octets of a message
    connections: int = 0
    rate_median: float | None = None  # messages a second
    rate_min: float | None = None
    rate_max: float | None = None
    cpu_s_per_1000: float | None = None  # seconds of processor time for 1,000 messages
    p50_ms: float | None = None
    p99_ms: float | None = None
    rss_mib: float | None = None
    note: str = ""


@dataclass(slots=True)
class Samples:
    """The repetitions of one measurement."""

    rates: list[float]
    cpu: list[float]  # seconds for 1,000 messages
    rss: list[float]
    failures: list[str]

    def row(self, target: str, phase: str, size: int, connections: int) -> Row:
        """Return their median and range."""
        return Row(
            target=target,
            phase=phase,
            size=size,
            connections=connections,
            rate_median=statistics.median(self.rates) if self.rates else None,
            rate_min=min(self.rates, default=None),
            rate_max=max(self.rates, default=None),
            cpu_s_per_1000=statistics.median(self.cpu) if self.cpu else None,
            rss_mib=max(self.rss, default=None),
            note="; ".join(sorted(set(self.failures))),
        )


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the rows; a ratio compares with the other program in the same phase of the same run."""
    table = Table(title="Measured side by side, medians (range)")
    for heading in ("phase", "size", "conn.", "target"):
        table.add_column(heading, no_wrap=True)
    for heading in ("messages/s", "x other", "CPU s/1000", "p50 ms", "p99 ms", "RSS MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("note")
    before = ""
    for row in rows:
        if before and row.phase != before:
            table.add_section()
        before = row.phase
        table.add_row(*_cells(row, rows))
    console.print(table)


def _cells(row: Row, rows: Sequence[Row]) -> list[str]:
    return [
        row.phase,
        f"{row.size // 1024} KiB" if row.size else "",
        str(row.connections or ""),
        row.target,
        _rate(row),
        _ratio(row, rows),
        _number(row.cpu_s_per_1000, 2),
        _number(row.p50_ms, 2),
        _number(row.p99_ms, 2),
        _number(row.rss_mib, 0),
        row.note,
    ]


def _rate(row: Row) -> str:
    if row.rate_median is None:
        return ""
    return f"{row.rate_median:,.0f} ({row.rate_min:,.0f}-{row.rate_max:,.0f})"


def _ratio(row: Row, rows: Sequence[Row]) -> str:
    if row.target in _REFERENCES:
        return ""
    place = (row.phase, row.size, row.connections)
    for other in rows:
        same = (other.phase, other.size, other.connections) == place
        if same and other.target in _REFERENCES:
            if row.rate_median and other.rate_median:
                return f"{row.rate_median / other.rate_median:.1f}"
            if row.p50_ms and other.p50_ms:
                return f"{row.p50_ms / other.p50_ms:.2f}"
    return ""


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
