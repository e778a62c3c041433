"""The queue's table, and the page that shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pillarbox.policy.queue import FINAL_STATES, TRANSITIONS, Cause, RecipientState

ROOT = Path(__file__).parents[2]


def test_page_shows_the_table_of_the_code() -> None:
    """The diagram in docs/queue.md is the one that TRANSITIONS gives."""
    script = [sys.executable, ROOT / "scripts" / "draw_queue.py", "--check"]
    checked = subprocess.run(script, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_page_explains_every_state() -> None:
    """Each state has a row in docs/queue.md."""
    page = (ROOT / "docs" / "queue.md").read_text(encoding="utf-8")
    for state in RecipientState:
        assert f"| `{state.name.lower()}` |" in page


def test_every_state_has_a_row_and_a_way_to_an_end() -> None:
    """No state is forgotten, every cause occurs, and nothing stays in the queue for ever."""
    assert set(TRANSITIONS) == set(RecipientState)
    assert {cause for row in TRANSITIONS.values() for cause in row} == set(Cause)
    for state in RecipientState:
        reached, waiting = {state}, [state]
        while waiting:
            for target in TRANSITIONS[waiting.pop()].values():
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
        assert reached & FINAL_STATES
