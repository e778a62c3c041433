"""The commands name the first cause in situations that are broken, and blame nothing in others."""

from __future__ import annotations

import pytest
from tests.situations.registry import BROKEN, HEALTHY
from tests.situations.situation import Healthy, Situation

ALL = (*BROKEN, *HEALTHY)


@pytest.mark.parametrize("one", [pytest.param(one, id=f"{one.command}: {one.name}") for one in ALL])
def test_a_situation_is_seen_through(one: Situation | Healthy) -> None:
    """The right first cause, with a fix that works; nothing where nothing is wrong."""
    assert not one.verdict()


def test_there_are_enough_of_them() -> None:
    """At least forty broken situations and ten healthy ones, each with a name of its own."""
    assert len(BROKEN) >= 40
    assert len(HEALTHY) >= 10
    assert len({(one.command, one.name) for one in ALL}) == len(ALL)
