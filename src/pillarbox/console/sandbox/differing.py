"""The differences between two messages: their header fields, and their texts line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from pillarbox.message.mail import Mail

__all__ = ["Change", "Difference", "FieldChange", "differences"]

_CONTEXT: Final = 3  # lines around what differs
_MOST_LINES: Final = 3_000  # of each text; the time grows faster than the number of lines
_LONGEST_LINE: Final = 2_000  # characters
_ALWAYS: Final = frozenset({"received", "message-id", "date", "dkim-signature", "return-path"})


@dataclass(frozen=True, slots=True)
class Change:
    """A line that one or both have."""

    kind: str  # "same", "gone", "new", or "skip" for those left out
    before: int | None  # its number in the first
    after: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences in one text."""

    title: str
    changes: tuple[Change, ...]
    is_equal: bool
    is_cut: bool


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A header field that differs."""

    name: str
    before: str  # "" if missing
    after: str
    is_expected: bool  # it differs between any two mails


def differences(
    first: Mail, second: Mail
) -> tuple[tuple[FieldChange, ...], tuple[Difference, ...]]:
    """Return the header fields that differ, and how the texts differ."""
    texts = (
        ("Text", first.text or "", second.text or ""),
        ("HTML source", first.html or "", second.html or ""),
    )
    return _fields(first, second), tuple(_text(*each) for each in texts if each[1] or each[2])


def _fields(first: Mail, second: Mail) -> tuple[FieldChange, ...]:
    """Return the fields that differ; those that always do come last."""
    before, after = _values(first), _values(second)
    nothing = ("", "")
    changes = (
        FieldChange(name, before.get(key, nothing)[1], after.get(key, nothing)[1], key in _ALWAYS)
        for key, (name, _) in {**after, **before}.items()
    )
    told = [change for change in changes if change.before != change.after]
    return tuple(sorted(told, key=lambda change: change.is_expected))


def _values(mail: Mail) -> dict[str, tuple[str, str]]:
    """Return the fields by lower-case name; repeated ones are joined."""
    found: dict[str, tuple[str, str]] = {}
    for each in mail.fields:
        key = each.name.lower()
        name, value = found.get(key, (each.name, ""))
        found[key] = (name, f"{value}\n{each.value}" if value else each.value)
    return found


def _text(title: str, first: str, second: str) -> Difference:
    before, after = _lines(first), _lines(second)
    changes = tuple(_changes(before[:_MOST_LINES], after[:_MOST_LINES]))
    is_cut = max(len(before), len(after)) > _MOST_LINES
    return Difference(title, changes, first == second, is_cut)


def _lines(text: str) -> list[str]:
    return [line[:_LONGEST_LINE] for line in text.splitlines()]


def _changes(before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    matcher = SequenceMatcher(None, before, after)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            yield from _same(before, start, new_start, end - start, len(before), len(after))
            continue
        for number in range(start, end):
            yield Change("gone", number + 1, None, before[number])
        for number in range(new_start, new_end):
            yield Change("new", None, number + 1, after[number])


def _same(
    lines: Sequence[str], start: int, other: int, count: int, most: int, most_other: int
) -> Iterator[Change]:
    """Yield common lines; from the middle of many, only their number."""
    head = 0 if start == 0 and other == 0 else _CONTEXT
    tail = 0 if start + count == most and other + count == most_other else _CONTEXT
    for offset in range(count):
        if head <= offset < count - tail and count > head + tail:
            if offset == head:
                yield Change("skip", None, None, f"{count - head - tail:,} lines are the same")
            continue
        yield Change("same", start + offset + 1, other + offset + 1, lines[start + offset])
