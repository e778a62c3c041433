"""Draw the queue's states in docs/queue.md from the table that the code uses.

``draw_queue.py --write`` puts the diagram in; ``--check`` exits 1 if it is not up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from pillarbox.policy.queue import FINAL_STATES, TRANSITIONS, Cause, RecipientState

PAGE: Final = Path(__file__).parents[1] / "docs" / "queue.md"
_BLOCK: Final = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def diagram() -> str:
    """Return the table as a mermaid state diagram; parallel arrows share a line."""
    lines = ["stateDiagram-v2", f"    [*] --> {_name(RecipientState.QUEUED)}: accepted"]
    for state, row in TRANSITIONS.items():
        arrows: dict[RecipientState, list[str]] = {}
        for cause, target in row.items():
            arrows.setdefault(target, []).append(_words(cause))
        lines += [
            f"    {_name(state)} --> {_name(target)}: {', '.join(causes)}"
            for target, causes in arrows.items()
        ]
        if state in FINAL_STATES:
            lines.append(f"    {_name(state)} --> [*]")
    return "\n".join(lines) + "\n"


def page_with_diagram(page: str) -> str:
    """Return a page with the diagram in its mermaid block."""
    return _BLOCK.sub(lambda _: f"```mermaid\n{diagram()}```\n", page, count=1)


def _name(state: RecipientState) -> str:
    return state.name.lower()


def _words(cause: Cause) -> str:
    return cause.name.lower().replace("_", " ")


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit status."""
    page = PAGE.read_text(encoding="utf-8")
    drawn = page_with_diagram(page)
    if arguments == ["--write"]:
        PAGE.write_text(drawn, encoding="utf-8")
        return 0
    if arguments == ["--check"]:
        if page != drawn:
            print(f"{PAGE} is not up to date: run scripts/draw_queue.py --write")
        return int(page != drawn)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
