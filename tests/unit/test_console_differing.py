from __future__ import annotations

from pillarbox.console.sandbox.differing import differences
from pillarbox.message.mail import Mail, read_mail


def _mail(text: str, **fields: str) -> Mail:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return read_mail((head + "\r\n" + text.replace("\n", "\r\n")).encode())


def test_fields_that_differ_are_named() -> None:
    """Other values, and fields that only one mail has, are told; what is the same is not."""
    first = _mail("x", Subject="one", To="ann@example.com", List="a")
    second = _mail("x", Subject="two", To="ann@example.com", Later="b")
    fields, (text,) = differences(first, second)
    told = {field.name: (field.before, field.after) for field in fields}
    assert told == {"Subject": ("one", "two"), "List": ("a", ""), "Later": ("", "b")}
    assert text.is_equal


def test_many_lines_that_are_the_same_are_left_out() -> None:
    """Around a change stand three lines; of the rest it is said how many they are."""
    lines = [f"line {number}" for number in range(50)]
    first = _mail("\n".join(lines), Subject="x")
    lines[25] = "other"
    _, (text,) = differences(first, _mail("\n".join(lines), Subject="x"))
    assert [change.kind for change in text.changes] == [
        "skip", "same", "same", "same", "gone", "new", "same", "same", "same", "skip",
    ]  # fmt: skip
    assert text.changes[0].text == "22 lines are the same"
    assert (text.changes[4].before, text.changes[5].after) == (26, 26)


def test_a_text_without_end_is_cut() -> None:
    """Of very long texts the beginning is compared, and that is said."""
    first = _mail("a\n" * 5_000, Subject="x")
    _, (text,) = differences(first, _mail("b\n" * 5_000, Subject="x"))
    assert text.is_cut
    assert len(text.changes) == 6_000
