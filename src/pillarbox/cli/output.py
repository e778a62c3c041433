"""Output of the command line: results on standard output, everything else on standard error.

Colors only repeat what words say, and are left out where the output is no terminal, with
``--no-color``, and with ``NO_COLOR`` in the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape as escape_markup
from rich.table import Column, Table
from rich.text import Text
from rich.theme import Theme

from pillarbox.events.text import escape
from pillarbox.findings import Finding, Level

__all__ = [
    "Out",
    "finding_object",
    "plural",
    "safe",
    "show_age",
    "show_size",
    "state_text",
]

_THEME: Final = Theme(
    {
        "head": "dim",
        "good": "green",
        "bad": "red",
        "doubt": "yellow",
        "quiet": "dim",
        "strong": "bold",
        "id": "cyan",
    },
    inherit=False,
)
_LEVELS: Final = {
    Level.OK: ("ok", "good"),
    Level.NOTE: ("note", "quiet"),
    Level.WARNING: ("warning", "doubt"),
    Level.ERROR: ("error", "bad"),
}
_STATES: Final = {
    "delivered": "good",
    "bounced": "bad",
    "uncertain": "doubt",
    "held": "doubt",
    "suppressed": "quiet",
    "canceled": "quiet",
}
_PIPE_WIDTH: Final = 10_000  # a program reads whole lines; only people have narrow screens


class Out:
    """Writes results, and talks, for one command."""

    def __init__(self, *, no_color: bool = False) -> None:
        """Write to the standard output and the standard error of this process."""
        plain = no_color or bool(os.environ.get("NO_COLOR"))
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
        self._results = Console(
            theme=_THEME, no_color=plain, highlight=False, width=width, emoji=False
        )
        self._talk = Console(
            theme=_THEME, no_color=plain, highlight=False, stderr=True, emoji=False
        )

    def line(self, text: str | Text = "") -> None:
        """Write one line of the result, without wrapping it."""
        if self._results.is_terminal:
            self._results.print(text, soft_wrap=True, markup=False)
        else:
            sys.stdout.write(f"{text}\n")

    def json(self, value: object) -> None:
        """Write a value or a msgspec struct as JSON, on a line of its own, in ASCII."""
        line = msgspec.json.encode(value)
        if not line.isascii():  # what could steer a terminal is not only in C0
            line = json.dumps(msgspec.json.decode(line), separators=(",", ":")).encode()
        sys.stdout.write(line.decode() + "\n")

    def raw(self, text: str) -> None:
        """Write text as it is."""
        sys.stdout.write(text)

    def table(
        self,
        columns: Iterable[Column],
        rows: Iterable[Iterable[str | Text]],
        *,
        gap: int = 2,
        has_heading: bool = True,
    ) -> None:
        """Write a table without lines; a column's heading is dim and its own is not."""
        table = Table(
            *columns,
            box=None,
            pad_edge=False,
            padding=(0, gap, 0, 0),
            header_style="head",
            show_header=has_heading,
        )
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
        # Rich fills up the last column; in a file or a pipe, that is only noise.
        with self._results.capture() as drawn:
            self._results.print(table)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))

    def fields(self, rows: Iterable[tuple[str, str | Text]], *, indent: int = 2) -> None:
        """Write labels, dim, and beside each its value, wrapped below itself on a screen."""
        grid = Table.grid(
            Column(style="quiet", no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0)
        )
        for label, value in rows:
            shown = value if isinstance(value, Text) else Text(value)
            grid.add_row(f"{'':{indent}}{label}", shown)
        with self._results.capture() as drawn:
            self._results.print(grid)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))

    def say(self, text: str, style: str = "") -> None:
        """Tell the person something that is not a result."""
        self._talk.print(Text(text, style=style), soft_wrap=True)

    def error(self, text: str, fix: str = "") -> None:
        """Say what went wrong, and what to do."""
        self._talk.print(f"[bad]error:[/] {escape_markup(safe(text))}", soft_wrap=True)
        if fix:
            self._talk.print(f"  {escape_markup(fix)}", soft_wrap=True)

    def findings(self, findings: Iterable[Finding], *, as_talk: bool = False) -> None:
        """Write findings: the fact on one line, its reason, remedy and evidence below."""
        console = self._talk if as_talk else self._results
        for number, finding in enumerate(findings):
            if number:
                console.print()
            word, style = _LEVELS[finding.level]
            head = Text.assemble((safe(finding.what), "strong"), (f"  {finding.code}", "quiet"))
            rows = [("why", finding.why), ("fix", finding.fix)]
            rows += [("seen", ", ".join(map(safe, finding.evidence)))]
            grid = Table.grid(
                Column(no_wrap=True, min_width=7), Column(overflow="fold"), padding=(0, 2, 0, 0)
            )
            grid.add_row(Text(word, style), head)
            for label, text in rows:
                if text:
                    grid.add_row(Text(f"  {label}", "quiet"), Text(safe(text)))
            with console.capture() as drawn:
                console.print(grid)
            lines = (line.rstrip() for line in drawn.get().splitlines())
            console.file.write("".join(f"{line}\n" for line in lines))


def finding_object(finding: Finding) -> dict[str, Any]:
    """Return a finding as an object for JSON."""
    return {
        "level": finding.level.name.lower(),
        "code": finding.code,
        "what": finding.what,
        "why": finding.why,
        "fix": finding.fix,
        "evidence": list(finding.evidence),
    }


def safe(text: str) -> str:
    """Return a peer's text so that it cannot steer the terminal."""
    return escape(text)


def state_text(state: str) -> Text:
    """Return a recipient's state in its color."""
    return Text(state.replace("_", " "), style=_STATES.get(state.strip(), ""))


def plural(count: int, noun: str) -> str:
    """Return ``1 message``, ``2,000 messages``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def show_age(seconds: float) -> str:
    """Return an age in its two largest units: ``3 d 4 h``, ``12 min``, ``8 s``."""
    left = max(int(seconds), 0)
    parts = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
        if len(parts) == 2 or (name == "min" and parts):  # noqa: PLR2004 - two units are enough
            break
    return " ".join(parts) or "0 s"


def show_size(octets: int) -> str:
    """Return a size in three digits or so: ``812 B``, ``4.1 KiB``, ``25 MiB``."""
    size = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1000 or unit == "GiB":  # noqa: PLR2004 - three digits, then the next unit
            break
        size /= 1024
    return f"{size:.1f} {unit}" if size < 10 and unit != "B" else f"{size:.0f} {unit}"  # noqa: PLR2004
