"""The output that all checks share: remarks with reasons, and progress."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from rich.table import Column
from rich.text import Text

from pillarbox.checkup.remark import BLAMED, Remark, Status
from pillarbox.cli.output import Out, safe

__all__ = [
    "STATUS_STYLES",
    "WORDS",
    "Progress",
    "print_remark",
    "progress_line",
    "remark_object",
]

STATUS_STYLES: Final = {
    Status.PASS: "good",
    Status.INFO: "quiet",
    Status.WARN: "doubt",
    Status.FAIL: "bad",
    Status.SKIP: "quiet",
}
WORDS: Final = {
    Status.PASS: "ok",
    Status.INFO: "note",
    Status.WARN: "WARN",
    Status.FAIL: "FAIL",
    Status.SKIP: "skip",
}
_CLEAR: Final = "\r\x1b[K"
_BEGIN: Final = "checking ... (Ctrl-C stops and shows what is known)"
_MOST_EVIDENCE: Final = 6


class Progress:
    """One line on standard error that says what has ended; none where that is no terminal."""

    def __init__(self, *, is_silent: bool) -> None:
        """Say nothing if ``is_silent``."""
        self._is_shown = not is_silent and sys.stderr.isatty()
        self._done: list[str] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._show(_BEGIN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the line away."""
        self._show("")

    def done(self, part: str) -> None:
        """Say that a part has ended."""
        self._done.append(part.replace("_", "-"))
        width = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be taken away
        self._show(progress_line(self._done, width))

    def _show(self, line: str) -> None:
        if self._is_shown:
            sys.stderr.write(_CLEAR + line)
            sys.stderr.flush()


def progress_line(done: Sequence[str], width: int) -> str:
    """Return what has ended in at most ``width`` columns, the newest where not all have room."""
    line = f"looked at: {', '.join(done)}"
    if len(line) <= width:
        return line
    start = f"looked at {len(done)}: "
    kept = done[-1]
    for part in reversed(done[:-1]):
        longer = f"{part}, {kept}"
        if len(start) + len(longer) > width:
            break
        kept = longer
    return f"{start}{kept}"[:width]


def print_remark(out: Out, remark: Remark, *, has_evidence: bool = True) -> None:
    """Write a remark: the fact on one line, its reason, remedy and evidence below."""
    is_blamed = remark.status in BLAMED
    style = STATUS_STYLES[remark.status]
    head = Text(safe(remark.what), "strong" if is_blamed else "")
    if remark.points:
        head.append(f"  -{remark.points}", style=style)
    head.append(f"  {remark.code}", style="quiet")
    evidence = remark.evidence[:_MOST_EVIDENCE] if has_evidence else ()
    rows = [("why", remark.why), ("fix", remark.fix)]
    rows += [("seen" if number == 0 else "", text) for number, text in enumerate(evidence)]
    shown = [(Text(f"  {label}", "quiet"), Text(safe(text))) for label, text in rows if text]
    out.table(
        (Column(no_wrap=True, width=6), Column(overflow="fold")),
        [(Text(WORDS[remark.status], style), head), *shown],
        has_heading=False,
    )


def remark_object(remark: Remark) -> dict[str, Any]:
    """Return a remark as an object for JSON."""
    return {
        "id": remark.code,
        "status": remark.status.value,
        "area": remark.area.value,
        "title": remark.what,
        "why": remark.why,
        "fix": remark.fix,
        "evidence": list(remark.evidence),
        "points": remark.points,
        "publish": [
            {"name": one.name, "type": one.type, "value": one.value} for one in remark.publish
        ],
        "serve": {"url": remark.page.url, "text": remark.page.text} if remark.page else None,
    }
