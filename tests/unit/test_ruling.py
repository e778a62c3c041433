"""Rulings: what a check says, and which of several counts."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given, strategies as st

from pillarbox.intake.checksum import joined_crc32
from pillarbox.intake.inspection import Judgement
from pillarbox.policy.ruling import PASSED, Action, Ruling, strictest
from pillarbox.smtp.reply import Reply

NOTE = Ruling(action=Action.NOTE, by="note")
HOLD = Ruling(action=Action.HOLD, by="hold")
DEFER = Ruling(action=Action.DEFER, by="defer", reply=Reply.of(451, "4.7.1", "Later"))
REFUSE = Ruling(action=Action.REFUSE, by="refuse", reply=Reply.of(550, "5.7.1", "No"))


@pytest.mark.parametrize(
    ("rulings", "counts"),
    [
        ((), PASSED),
        ((NOTE, HOLD), HOLD),
        ((HOLD, DEFER, NOTE), DEFER),
        ((DEFER, REFUSE), REFUSE),
    ],
)
def test_the_strictest_ruling_counts(rulings: tuple[Ruling, ...], counts: Ruling) -> None:
    """What turns mail away for good goes before what defers, holds, or notes."""
    assert strictest(rulings) is counts


@pytest.mark.parametrize(
    ("action", "reply"),
    [
        (Action.DEFER, None),
        (Action.DEFER, Reply.of(550, "5.7.1", "No")),
        (Action.REFUSE, Reply.of(451, "4.7.1", "Later")),
    ],
)
def test_a_ruling_turns_away_with_a_reply_of_its_class(action: Action, reply: Reply | None) -> None:
    """Nothing is deferred by a 5xx, refused by a 4xx, or turned away in silence."""
    with pytest.raises(ValueError, match="needs a"):
        Ruling(action=action, by="check", reply=reply)


def test_a_judgement_cuts_what_it_names() -> None:
    """The named slices leave the header, whatever their order; the rest stays."""
    header = b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n"
    judged = Judgement(cuts=(slice(12, 18), slice(0, 6)))
    assert judged.apply(header) == b"B: 2\r\n\r\n"
    assert Judgement().apply(header) is header


@given(st.binary(), st.binary())
def test_the_checksum_of_two_pieces_is_that_of_the_whole(first: bytes, second: bytes) -> None:
    """A CRC-32 can be put together from those of two pieces."""
    whole = joined_crc32(crc32(first), crc32(second), len(second))
    assert whole == crc32(first + second)
