"""Message ids as people see them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pillarbox.errors import PermanentError
from pillarbox.store.ids import parse_id, show_id
from pillarbox.store.port import MessageId

_IDS = st.integers(min_value=0, max_value=(1 << 63) - 1).map(MessageId)


@given(_IDS)
def test_an_id_is_read_back_in_either_case(message: MessageId) -> None:
    """What ``show_id`` writes has 13 characters, and gives the same id again."""
    shown = show_id(message)
    assert len(shown) == 13
    assert parse_id(shown) == message
    assert parse_id(shown.upper()) == message


@given(_IDS, _IDS)
def test_shown_ids_sort_like_the_ids(one: MessageId, other: MessageId) -> None:
    """A list of ids sorted as text is in the order of time."""
    assert (show_id(one) < show_id(other)) is (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 12,
        "0" * 14,
        "0" * 12 + "u",  # the letters that look like others are no digits
        "0" * 12 + "I",
        "0" * 12 + "\n",
        "0" * 13 + "\n",
        "0" * 12 + "\u212a",  # the Kelvin sign, whose lower case is a plain k
        "0" * 12 + "\u0663",  # a digit, but not one of ours
        "+" + "0" * 12,
        "8" + "0" * 12,  # 64 bits
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    """Only what ``show_id`` can write is an id; nothing else reaches the store."""
    with pytest.raises(PermanentError):
        parse_id(text)
