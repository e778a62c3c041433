"""JSON that is read strictly (``pillarbox.web.routing.read_json``)."""

from __future__ import annotations

import time

import pytest

from pillarbox.web.problems import Problem
from pillarbox.web.routing import read_json


def test_json_is_read() -> None:
    """What is plain JSON comes out as it went in."""
    assert read_json(b'{"a": [1, -2.5, "x", null, true, {"b": "\\u00e4"}]}') == {
        "a": [1, -2.5, "x", None, True, {"b": "ä"}]
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": Infinity}', "Infinity is no JSON"),
        (b'{"a": 1, "a": 2}', "appears twice"),
        (b'{"a": {"b": 1, "b": 1}}', "appears twice"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "digits"),
        (b'{"a": -' + b"9" * 41 + b"}", "digits"),
        (b'{"a": 1.' + b"0" * 5_000 + b"}", "digits"),
        (b'{"a": 1e999}', "too large"),
        (b"[" * 5_000 + b"]" * 5_000, "nested"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested"),
        (b'{"a": ["x\\ud800y"]}', "surrogate"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a": 1', "line 1"),
        (b"", "line 1"),
        (b"{'a': 1}", "line 1"),
    ],
)
def test_what_readers_would_understand_differently_is_refused(body: bytes, why: str) -> None:
    """Each is a 400 whose sentence says what is wrong."""
    with pytest.raises(Problem) as caught:
        read_json(body)
    assert caught.value.status == 400
    assert caught.value.code == "invalid_json"
    assert why in str(caught.value.detail)


def test_a_character_in_two_halves_is_one() -> None:
    """A pair of surrogates is what JSON writes for characters beyond 16 bits."""
    assert read_json(b'"\\ud83d\\udce7"') == "\U0001f4e7"


def test_brackets_in_strings_are_no_nesting() -> None:
    """A text full of brackets is read: style sheets are such texts."""
    text = "[{" * 500 + '\\" ['
    assert read_json(b'{"a": "' + text.encode() + b'"}')["a"].startswith("[{[{")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b"[" + b"1," * 400_000 + b"1" * 100_000 + b"]",
        b'{"a": "' + b"\\\\" * 500_000,
        b"{" + b",".join(b'"%d": 1' % number for number in range(120_000)) + b"}",
    ],
    ids=["arrays", "objects", "digits", "escapes", "members"],
)
def test_a_bomb_is_refused_in_no_time(body: bytes) -> None:
    """A megabyte of anything takes less than a second of work."""
    begin = time.process_time()
    with pytest.raises(Problem):
        read_json(body)
    assert time.process_time() - begin < 6.0
