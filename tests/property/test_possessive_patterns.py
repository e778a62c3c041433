"""What our patterns match does not depend on the faults of one CPython's ``re``."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from re import _constants as ops
from typing import Any, Final, Self

import pytest
from hypothesis import given, settings, strategies as st
from tests.pattern_meaning import LEAVES, REPEATS, Groups, Item, Meaning, Text, items, tree

import pillarbox

_STRICT: Final = frozenset({ops.POSSESSIVE_REPEAT, ops.ATOMIC_GROUP})
_SINGLE: Final = [[each] for each in LEAVES]
_ONE_IN_TWENTY: Final = st.integers(1, 20).map((20).__eq__)
_OTHERS: Final = "a1 _\n~\u00e9"  # of each class, and of none


def _patterns() -> dict[str, re.Pattern[Any]]:
    """Return the patterns of all modules, each with one of its names."""
    found: dict[re.Pattern[Any], str] = {}
    for info in pkgutil.walk_packages(pillarbox.__path__, "pillarbox."):
        if not info.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(info.name)).items():
                for pattern in _within(value):
                    found.setdefault(pattern, f"{info.name}.{name}")
    return {name: pattern for pattern, name in found.items()}


def _within(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | set | frozenset):
        for each in value:
            yield from _within(each)
    elif isinstance(value, dict):
        yield from _within([*value.keys(), *value.values()])


def _characters(operation: Any, argument: Any) -> str:
    if operation in {ops.LITERAL, ops.NOT_LITERAL}:
        return chr(argument)
    if operation is ops.RANGE:
        return "".join(map(chr, argument))
    if operation is ops.IN:
        return "".join(_characters(*member) for member in argument)
    return _OTHERS if operation in {ops.CATEGORY, ops.ANY} else ""


@dataclass(frozen=True, slots=True)
class _Near:
    """Makes texts that a pattern matches, or almost."""

    meaning: Meaning
    empty: Text
    characters: tuple[Text, ...]  # one of each kind that the pattern tells apart

    @classmethod
    def to(cls, pattern: re.Pattern[Any]) -> Self:
        """Find the kinds of characters of a pattern."""
        meaning = Meaning(pattern)
        kinds: dict[tuple[bool, ...], Text] = {}
        for item in items(tree(pattern)):
            for each in _characters(*item):
                character = each if pattern.flags & re.UNICODE else each.encode("latin-1")
                kinds.setdefault(meaning.kind(character), character)
        return cls(meaning, pattern.pattern[:0], tuple(kinds.values()))

    def text(
        self,
        draw: Callable[[Any], Any],
        sequence: Sequence[Item],
        drawn: dict[int, Text] | None = None,
    ) -> Text:
        """Draw a text: what the pattern asks for, with mistakes; ``drawn`` is that of groups."""
        parts: list[Text] = []
        drawn = {} if drawn is None else drawn
        for operation, argument in sequence:
            if draw(_ONE_IN_TWENTY):
                parts.append(draw(st.sampled_from(self.characters)))
            elif draw(_ONE_IN_TWENTY):
                break
            parts.append(self._part(draw, operation, argument, drawn))
        return self.empty.join(parts)

    def _part(
        self,
        draw: Callable[[Any], Any],
        operation: Any,
        argument: Any,
        drawn: dict[int, Text],
    ) -> Text:
        if operation in LEAVES:
            fit = [
                each
                for each in self.characters
                if self.meaning.matches_leaf((operation, argument), each)
            ]
            return draw(st.sampled_from(fit)) if fit else self.empty
        if operation in REPEATS:
            least, most, body = argument
            count = draw(st.integers(least, min(most, least + 2)))
            return self.empty.join(self.text(draw, body, drawn) for _ in range(count))
        if operation is ops.BRANCH:
            return self.text(draw, draw(st.sampled_from(argument[1])), drawn)
        if operation is ops.SUBPATTERN:
            text = self.text(draw, argument[3], drawn)
            drawn[argument[0]] = text
            return text
        if operation is ops.GROUPREF:
            return drawn.get(argument, self.empty)
        return self.text(draw, argument, drawn) if operation is ops.ATOMIC_GROUP else self.empty


PATTERNS: Final = _patterns()
STRICT: Final = {
    name: pattern
    for name, pattern in PATTERNS.items()
    if any(operation in _STRICT for operation, _ in items(tree(pattern)))
}
NEAR: Final = {name: _Near.to(pattern) for name, pattern in STRICT.items()}


def _caught(pattern: re.Pattern[Any], end: int, groups: Groups) -> list[tuple[int, int]]:
    return [(end, end), *(groups.get(number, (-1, -1)) for number in range(1, pattern.groups + 1))]


def _seen(found: re.Match[Any] | None) -> list[tuple[int, int]] | None:
    if found is None:
        return None
    return [(found.end(), found.end()), *found.regs[1:]]


def test_no_pattern_repeats_a_group_possessively() -> None:
    """CPython before 3.11.5 goes on at the wrong place after a possessive group's last try."""
    wrong = [
        name
        for name, pattern in PATTERNS.items()
        for operation, argument in items(tree(pattern))
        if operation is ops.POSSESSIVE_REPEAT and [each for each, _ in argument[2]] not in _SINGLE
    ]
    assert not wrong, "write (?>(?:...)*) instead of (?:...)*+"


@pytest.mark.parametrize("name", STRICT)
@settings(max_examples=40)
@given(data=st.data())
def test_patterns_that_give_nothing_back_mean_what_they_say(name: str, data: st.DataObject) -> None:
    """What ``re`` finds is what following the pattern step by step finds, at each offset."""
    pattern = STRICT[name]
    text = NEAR[name].text(data.draw, tree(pattern))
    meaning = NEAR[name].meaning
    for start in range(len(text) + 1):
        wanted = next((_caught(pattern, *way) for way in meaning.ways(text, start)), None)
        assert _seen(pattern.match(text, start)) == wanted
        wanted = next(
            (_caught(pattern, *way) for way in meaning.ways(text, start) if way[0] == len(text)),
            None,
        )
        assert _seen(pattern.fullmatch(text, start)) == wanted
