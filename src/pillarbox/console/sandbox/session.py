"""The SMTP session of a message, line by line, as pages show it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pillarbox.sandbox.transcript import Line, Transcript

__all__ = ["LineView", "SessionView", "session_view"]

_SPEAKERS: Final = {"C": ("C", "Client", "by-client"), "S": ("S", "Server", "by-server")}
_NOBODY: Final = ("·", "What happened", "is-aside")
_REFUSAL: Final = re.compile(r"[45]\d\d[ -]")


@dataclass(frozen=True, slots=True)
class LineView:
    """One line."""

    at: str  # since the beginning
    by: str
    who: str
    kind: str  # classes of the page
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session."""

    client: str
    started_at: float
    lines: tuple[LineView, ...]
    left_out: int


def session_view(transcript: Transcript) -> SessionView:
    """Return a session ready for its page."""
    return SessionView(
        client=transcript.client,
        started_at=transcript.started_at,
        lines=tuple(_line(line, transcript.started_at) for line in transcript.lines),
        left_out=transcript.left_out,
    )


def _line(line: Line, started_at: float) -> LineView:
    by, who, kind = _SPEAKERS.get(line.direction, _NOBODY)
    if line.direction == "S" and _REFUSAL.match(line.text):
        kind += " is-refusal"
    since = max(line.at - started_at, 0.0)
    shown = f"{since:.2f} s" if since >= 1 else f"{since * 1000:.0f} ms"
    return LineView(shown, by, who, kind, line.text, line.note)
