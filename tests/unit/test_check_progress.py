"""The line that says what `check` has looked at while one waits."""

from __future__ import annotations

import pytest

from pillarbox.cli.check.output import progress_line

PARTS = [f"127.0.0.1:{port}" for port in (25, 465, 587, 2525)]


def test_all_that_ended_is_named_where_there_is_room() -> None:
    """In the order in which it ended."""
    assert progress_line(["mx", "spf"], 79) == "looked at: mx, spf"


def test_the_newest_is_named_where_not_all_has_room() -> None:
    """So that one sees that something goes on, and how far it has come."""
    assert progress_line(PARTS, 45) == "looked at 4: 127.0.0.1:587, 127.0.0.1:2525"


@pytest.mark.parametrize("width", range(1, 100))
def test_it_never_wraps(width: int) -> None:
    """What wraps onto a second line cannot be taken away."""
    assert len(progress_line(PARTS, width)) <= width
