"""What DNS lists are asked, and what their answers mean."""

from __future__ import annotations

import pytest

from pillarbox.policy.dns_lists import parse_code, question, reading


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192.bad.example.net"),
        ("::ffff:192.0.2.99", "99.2.0.192.bad.example.net"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bad.example.net",
        ),
    ],
)
def test_an_address_is_asked_for_backward(address: str, name: str) -> None:
    """Octets or nibbles, the last first (the examples of RFC 5782 §2.1 and §2.4)."""
    assert question(address, "bad.example.net") == name


def test_codes_are_filtered_by_pattern() -> None:
    """A list has a code for each reason, and only those that are named count."""
    patterns = tuple(filter(None, map(parse_code, ["127.0.0.2-4", "127.0.*.9"])))
    assert len(patterns) == 2
    answers = ("127.0.0.3", "127.0.0.5", "127.0.7.9")
    assert reading(answers, patterns).codes == ("127.0.0.3", "127.0.7.9")
    assert reading(answers, ()).codes == answers


@pytest.mark.parametrize(
    "text", ["", "127.0.0", "127.0.0.300", "127.0.0.9-2", "a.b.c.d", "1.2.3.4.5"]
)
def test_what_is_no_code_is_told_apart(text: str) -> None:
    """A pattern that could never match is none."""
    assert parse_code(text) is None


@pytest.mark.parametrize(
    "answers", [("127.0.0.1",), ("198.51.100.7",), ("93.184.216.34", "127.0.0.1"), ()]
)
def test_what_no_list_says_lists_nobody(answers: tuple[str, ...]) -> None:
    """A domain that was sold, or a resolver that knows every name, does not stop all mail."""
    assert reading(answers, ()).codes == ()


@pytest.mark.parametrize("last", [252, 253, 254, 255, 7])
def test_a_list_that_refuses_to_answer_lists_nobody(last: int) -> None:
    """What a list says about us is no listing of the client."""
    meaning = reading((f"127.255.255.{last}",), ())
    assert meaning.codes == ()
    assert meaning.refusal.startswith(f"127.255.255.{last}: ")
