"""The traces and declarations of a style sheet or style attribute.

Parsed by tinycss2, which takes linear time and raises nothing as long as brackets do not nest
deeply: there, and where it is very long, a style is cut. Messages repeat their style attributes by
the hundred, so the result is cached.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import tinycss2  # type: ignore[import-untyped] # it has no types
from tinycss2.ast import (  # type: ignore[import-untyped] # the same
    AtRule,
    Comment,
    Declaration,
    DimensionToken,
    FunctionBlock,
    HashToken,
    IdentToken,
    LiteralToken,
    Node,
    PercentageToken,
    QualifiedRule,
    SquareBracketsBlock,
    StringToken,
    URLToken,
    WhitespaceToken,
)

__all__ = ["Style", "Trace", "image_trace", "read_attribute", "read_sheet"]

_MAX_SHEET: Final = 128 * 1024  # characters of one sheet that are looked at
_MAX_ATTRIBUTE: Final = 16 * 1024
_MAX_DEPTH: Final = 32  # of brackets within each other
_BRACKET: Final = re.compile(r"[\[({]|[\])}]")
_COMBINATORS: Final = {
    ">": "selector:child",
    "+": "selector:adjacent-sibling",
    "~": "selector:general-sibling",
    ",": "selector:grouping",
    "*": "selector:universal",
}
_LIKE_ELEMENTS: Final = frozenset({"before", "after", "first-line", "first-letter"})
_MEDIA_RATIO: Final = re.compile(r"(?:-webkit-)?(?:min-|max-)?device-pixel-ratio")
_VENDOR: Final = re.compile(r"-(?:webkit|moz|ms|o)-")
_IMAGE: Final = re.compile(r"\.([a-z0-9]{2,5})(?:$|[?#&,\s])", re.IGNORECASE)


class Trace(NamedTuple):
    """That something is used, and where."""

    name: str
    line: int  # of the sheet, from 1


class Style(NamedTuple):
    """What was read."""

    traces: tuple[Trace, ...]
    urls: tuple[str, ...]
    declarations: tuple[tuple[str, str], ...]  # name and value, of an attribute only


@lru_cache(maxsize=64)
def read_sheet(sheet: str) -> Style:
    """Read the content of a ``<style>``."""
    reader = _Reader()
    # What older clients needed to hide a sheet (CSS Syntax 3 has CDO and CDC at the top level).
    reader.rules(tinycss2.parse_stylesheet(_shallow(sheet[:_MAX_SHEET])))
    return reader.result()


@lru_cache(maxsize=2_048)
def read_attribute(style: str) -> Style:
    """Read the value of a style attribute."""
    reader = _Reader()
    reader.contents(tinycss2.parse_blocks_contents(_shallow(style[:_MAX_ATTRIBUTE])))
    return reader.result()


class _Reader:
    """Collects traces; keeps what is still to be read on a list, so that nesting costs no stack."""

    def __init__(self) -> None:
        self._traces: list[Trace] = []
        self._urls: list[str] = []
        self._declarations: list[tuple[str, str]] = []

    def result(self) -> Style:
        return Style(tuple(self._traces), tuple(self._urls), tuple(self._declarations))

    def rules(self, nodes: Iterable[Node]) -> None:
        """Read the rules of a sheet, and those inside of at-rules."""
        waiting = [list(nodes)]
        while waiting:
            for node in waiting.pop():
                if isinstance(node, QualifiedRule):
                    self._rule(node)
                elif isinstance(node, AtRule):
                    self._at_rule(node, waiting)
                elif isinstance(node, Comment):
                    self._add("css-comment", node)

    def contents(self, nodes: Iterable[Node], *, is_rule: bool = False) -> None:
        """Read declarations, and the rules nested among them."""
        for node in nodes:
            if isinstance(node, Declaration):
                self._declaration(node)
            elif isinstance(node, Comment):
                self._add("css-comment", node)
            elif isinstance(node, QualifiedRule) and is_rule:
                self._add("nesting", node)
                self._selectors(node.prelude)
            elif isinstance(node, AtRule):
                self._add(f"at:{_plain(node.lower_at_keyword)}", node)

    def _rule(self, rule: QualifiedRule) -> None:
        self._selectors(rule.prelude)
        self.contents(tinycss2.parse_blocks_contents(rule.content), is_rule=True)

    def _at_rule(self, rule: AtRule, waiting: list[list[Node]]) -> None:
        keyword = _plain(rule.lower_at_keyword)
        self._add(f"at:{keyword}", rule)
        if keyword == "media":
            self._media(rule.prelude)
        if keyword == "import":
            self._values(rule.prelude, "")
        if rule.content is None:
            return
        if keyword in {"font-face", "page"}:
            self.contents(tinycss2.parse_blocks_contents(rule.content))
        elif keyword != "keyframes":  # whose selectors are percentages
            waiting.append(tinycss2.parse_rule_list(rule.content))

    def _media(self, prelude: Iterable[Node]) -> None:
        for node in _flat(prelude):
            if isinstance(node, IdentToken):
                name = "device-pixel-ratio" if _MEDIA_RATIO.fullmatch(node.lower_value) else ""
                self._add(f"media:{name or node.lower_value}", node)

    def _selectors(self, prelude: Iterable[Node]) -> None:
        before: Node | None = None  # in the same compound selector
        has_blank = colons = 0
        for node in prelude:
            if isinstance(node, WhitespaceToken | Comment):
                has_blank = before is not None
                continue
            value = node.value if isinstance(node, LiteralToken) else ""
            if value in _COMBINATORS and value != "*":
                self._add(_COMBINATORS[value], node)
                before, has_blank, colons = None, False, 0
                continue
            if value == ":":
                colons += 1
                if colons == 1:
                    self._join(before, has_blank=bool(has_blank), node=node, is_pseudo=True)
                has_blank = False
                continue
            if colons:
                self._pseudo(node, colons)
            else:
                is_behind_dot = isinstance(before, LiteralToken) and before.value == "."
                if not is_behind_dot:
                    self._join(before, has_blank=bool(has_blank), node=node)
                self._simple(node, value, is_behind_dot=is_behind_dot)
            before, has_blank, colons = node, False, 0

    def _join(
        self, before: Node | None, *, has_blank: bool, node: Node, is_pseudo: bool = False
    ) -> None:
        """Say how a simple selector follows the one before."""
        if before is None:
            return
        if has_blank:
            self._add("selector:descendant", node)
        elif not is_pseudo and isinstance(node, LiteralToken | HashToken):
            self._add("selector:chaining", node)

    def _simple(self, node: Node, value: str, *, is_behind_dot: bool) -> None:
        if isinstance(node, IdentToken):
            self._add("selector:class" if is_behind_dot else "selector:type", node)
        elif isinstance(node, HashToken):
            self._add("selector:id", node)
        elif isinstance(node, SquareBracketsBlock):
            self._add("selector:attribute", node)
        elif value == "*":
            self._add("selector:universal", node)

    def _pseudo(self, node: Node, colons: int) -> None:
        if isinstance(node, FunctionBlock):
            name = node.lower_name
            self._selectors(node.arguments)
        elif isinstance(node, IdentToken):
            name = node.lower_value
        else:
            return
        name = _plain(name).removeprefix("input-")
        is_element = colons > 1 or name in _LIKE_ELEMENTS
        self._add(f"pseudo-element:{name}" if is_element else f"pseudo:{name}", node)

    def _declaration(self, declaration: Declaration) -> None:
        name = declaration.lower_name
        if name.startswith("--"):
            self._add("property:--", declaration)
        else:
            name = _plain(name)
            self._add(f"property:{name}", declaration)
        if declaration.important:
            self._add("important", declaration)
        self._values(declaration.value, name)
        if len(self._declarations) < 500:  # noqa: PLR2004 - no rule looks at more
            self._declarations.append((name, tinycss2.serialize(declaration.value).strip()))

    def _values(self, nodes: Iterable[Node], name: str) -> None:
        for node in _flat(nodes):
            if isinstance(node, IdentToken):
                word = _plain(node.lower_value)
                self._add(f"value:{name}:{word}", node)
                self._add(f"keyword:{word}", node)
            elif isinstance(node, DimensionToken):
                self._add(f"unit:{node.lower_unit}", node)
            elif isinstance(node, PercentageToken):
                self._add("unit:%", node)
            elif isinstance(node, FunctionBlock):
                self._function(node)
            elif isinstance(node, URLToken):
                self._url(node.value, node)
            elif isinstance(node, Comment):
                self._add("css-comment", node)

    def _function(self, node: FunctionBlock) -> None:
        self._add(f"function:{_plain(node.lower_name)}", node)
        if node.lower_name == "url":
            for inner in node.arguments:
                if isinstance(inner, StringToken):
                    self._url(inner.value, node)

    def _url(self, url: str, node: Node) -> None:
        self._urls.append(url)
        if kind := image_trace(url):
            self._add(kind, node)

    def _add(self, name: str, node: Node) -> None:
        self._traces.append(Trace(name, node.source_line))


def _shallow(style: str) -> str:
    """Return a style, cut where its brackets nest deeply."""
    depth = 0
    for found in _BRACKET.finditer(style):
        depth += 1 if found[0] in "[({" else -1 if depth else 0
        if depth > _MAX_DEPTH:
            return style[: found.start()]
    return style


def image_trace(url: str) -> str:
    """Return the trace of an image's format, as its address tells it; "" where it does not."""
    if url[:5].lower() == "data:":
        return "image:data"
    found = _IMAGE.search(url.partition("?")[0]) or _IMAGE.search(url)
    return f"image:{found[1].lower()}" if found else ""


def _plain(name: str) -> str:
    """Return a name without the prefix of a browser's maker."""
    found = _VENDOR.match(name)
    return name[found.end() :] if found else name


def _flat(nodes: Iterable[Node]) -> Iterator[Node]:
    """Yield tokens, those inside of functions and brackets too."""
    waiting = [iter(nodes)]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
            continue
        yield node
        inner = getattr(node, "arguments", None) or getattr(node, "content", None)
        if isinstance(inner, list):
            waiting.append(iter(inner))
