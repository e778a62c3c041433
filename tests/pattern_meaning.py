"""What a regular expression means, followed step by step: slow, plain, and right on any CPython.

The parse tree is that of ``re``; each choice is a loop over the ways to go on. Only single
characters and anchors are left to ``re`` itself, in which the faults have been elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from re import _compiler, _constants as ops, _parser
from typing import Any, Final

Text = str | bytes
Item = tuple[Any, Any]  # an operation and its argument, as re._parser makes them
Groups = Mapping[int, tuple[int, int]]
Way = tuple[int, Groups]  # where a match ends, and what its groups have caught
Step = Callable[[Any, Text, Way], Iterator[Way]]

LEAVES: Final = frozenset({ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN, ops.AT})
REPEATS: Final = frozenset({ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT})


def tree(pattern: re.Pattern[Any]) -> Sequence[Item]:
    """Return the parse tree of a pattern."""
    return _parser.parse(pattern.pattern, pattern.flags)


def items(sequence: Sequence[Item]) -> Iterator[Item]:
    """Yield each item of a parse tree, those within others too."""
    for operation, argument in sequence:
        yield operation, argument
        if operation not in LEAVES:
            for inner in _inner(argument):
                yield from items(inner)


def _inner(argument: Any) -> Iterator[Sequence[Item]]:
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for each in argument:
            yield from _inner(each)


def _compiled(leaf: Item, pattern: re.Pattern[Any]) -> re.Pattern[Any]:
    state = _parser.State()
    state.flags, state.str = pattern.flags, pattern.pattern
    compiled = _compiler.compile(_parser.SubPattern(state, [leaf]), pattern.flags)
    assert isinstance(compiled, re.Pattern)
    return compiled


class Meaning:
    """All ways in which a pattern may match, in the order of preference."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        self._tree = tree(pattern)
        self._ignores_case = bool(pattern.flags & re.IGNORECASE)
        self._leaves = {
            repr(item): _compiled(item, pattern) for item in items(self._tree) if item[0] in LEAVES
        }
        self._steps: dict[Any, Step] = {
            ops.SUBPATTERN: self._group,
            ops.BRANCH: self._branch,
            ops.MAX_REPEAT: self._greedy,
            ops.MIN_REPEAT: self._lazy,
            ops.POSSESSIVE_REPEAT: self._possessive,
            ops.ATOMIC_GROUP: self._atomic,
            ops.ASSERT: self._ahead_or_behind,
            ops.ASSERT_NOT: self._not_ahead_or_behind,
            ops.GROUPREF: self._again,
        }

    def ways(self, text: Text, start: int) -> Iterator[Way]:
        """Yield the ways in which the pattern matches at an offset, the preferred one first."""
        return self._sequence(self._tree, text, (start, {}))

    def kind(self, character: Text) -> tuple[bool, ...]:
        """Return what tells a character from others: which parts of the pattern it matches."""
        return tuple(leaf.fullmatch(character) is not None for leaf in self._leaves.values())

    def matches_leaf(self, item: Item, character: Text) -> bool:
        """Tell whether an item that stands for one character stands for this one."""
        return self._leaves[repr(item)].fullmatch(character) is not None

    def _sequence(self, sequence: Sequence[Item], text: Text, way: Way) -> Iterator[Way]:
        if not len(sequence):
            yield way
            return
        for onward in self._item(sequence[0], text, way):
            yield from self._sequence(sequence[1:], text, onward)

    def _item(self, item: Item, text: Text, way: Way) -> Iterator[Way]:
        operation, argument = item
        if operation in LEAVES:
            found = self._leaves[repr(item)].match(text, way[0])
            return iter(() if found is None else ((found.end(), way[1]),))
        return self._steps[operation](argument, text, way)

    def _group(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        number, added, removed, body = argument
        assert not added
        assert not removed
        for end, groups in self._sequence(body, text, way):
            yield end, groups if number is None else {**groups, number: (way[0], end)}

    def _again(self, number: int, text: Text, way: Way) -> Iterator[Way]:
        """Match what a group has caught once more; a group that caught nothing does not match."""
        begin, end = way[1].get(number, (0, -1))
        caught, there = text[begin:end], text[way[0] : way[0] + end - begin]
        if self._ignores_case:
            caught, there = caught.lower(), there.lower()
        if begin <= end and caught == there:
            yield way[0] + end - begin, way[1]

    def _branch(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        for body in argument[1]:
            yield from self._sequence(body, text, way)

    def _greedy(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        yield from self._more(argument, text, way, self._greedy)
        if argument[0] <= 0:
            yield way

    def _lazy(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        if argument[0] <= 0:
            yield way
        yield from self._more(argument, text, way, self._lazy)

    def _more(self, argument: Any, text: Text, way: Way, again: Step) -> Iterator[Way]:
        """Match the body of a repetition once, and then what is left of the repetition."""
        least, most, body = argument
        if most <= 0:
            return
        left = (least - 1, most if most is ops.MAXREPEAT else most - 1, body)
        for onward in self._sequence(body, text, way):
            if onward[0] > way[0] or least > 0:  # else it would go on forever
                yield from again(left, text, onward)

    def _possessive(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        yield from _first(self._greedy(argument, text, way))

    def _atomic(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        yield from _first(self._sequence(argument, text, way))

    def _ahead_or_behind(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        direction, body = argument
        start = way[0] if direction > 0 else way[0] - body.getwidth()[0]
        if start < 0:
            return
        for end, groups in _first(self._sequence(body, text, (start, way[1]))):
            assert direction > 0 or end == way[0]
            yield way[0], groups

    def _not_ahead_or_behind(self, argument: Any, text: Text, way: Way) -> Iterator[Way]:
        if not any(True for _ in self._ahead_or_behind(argument, text, way)):
            yield way


def _first(ways: Iterator[Way]) -> Iterator[Way]:
    """Yield the preferred way only: what has matched gives nothing back."""
    for way in ways:
        yield way
        return
