"""An HTML part as a browser parses it, with the source lines of its elements.

The tree is Lexbor's, so that a message cannot hide from the rules what a client would show. The
positions come from a scan of the source: where it and the tree agree on the number of elements of a
name, their lines are known, and otherwise 0. Nothing is raised. Lexbor takes quadratic time for
deep nesting and for the attributes of one element, so the scan cuts the source where there are more
than any message needs; of a very large part, only the beginning is examined.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec import Struct
from selectolax.lexbor import LexborHTMLParser, LexborNode

__all__ = ["MAX_HTML", "Element", "Page", "read_page", "shallow"]

MAX_HTML: Final = 512 * 1024
"""Characters that are looked at. Clients cut mail off long before."""

_MAX_DEPTH: Final = 400  # elements that are open at once; browsers stop at 512
_MAX_UNCLOSED: Final = 3_000  # of the elements whose end tag may be left out
_MAX_ATTRIBUTES: Final = 500  # of an element
_MAX_TEXT: Final = 256 * 1024  # characters
_MAX_CODE: Final = 20  # elements
_MAX_ELEMENT_TEXT: Final = 8_000  # they may hold each other
_SHOWN: Final = 120  # characters of a start tag in evidence
_SHOWN_VALUE: Final = 60
# What may hold a "<" that begins no tag (comments, and elements whose content is text), and tags.
_MARKUP: Final = re.compile(
    r"<!--(?:-?>|.*?--!?>|.*+)"
    r"|<(?:\?|!(?!--)|/(?![a-z]))[^>]*+"
    r"|<(script|style|title|textarea|xmp|iframe|noembed|noframes)(?=[\s/>])(?:.*?</\1|.*+)"
    r"|<(/?)([a-z][^\s/>]*+)",
    re.IGNORECASE | re.DOTALL,
)
# Inside of <svg> and <math>, all of these hold elements, and nest; <select> ignores their tags.
_FOREIGN: Final = re.compile(r"<(?:svg|math|select)\b", re.IGNORECASE)
_FOREIGN_MARKUP: Final = re.compile(
    r"<!--(?:-?>|.*?--!?>|.*+)|<(?:\?|!(?!--)|/(?![a-z]))[^>]*+|()<(/?)([a-z][^\s/>]*+)",
    re.IGNORECASE | re.DOTALL,
)
_CDATA: Final = "<![cdata["  # it ends elsewhere in <svg> than outside of it
# HTML Standard §13.2.5.32 to §13.2.5.39, with its white space, which is less than that of "\\s".
_ATTRIBUTE: Final = re.compile(
    r"[ \t\n\f\r/]*+[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    r"(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:\"[^\"]*+\"|'[^']*+'|[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+))?"
)
_TAG: Final = re.compile(r"</?([a-z][^ \t\n\f\r/>]*+)", re.IGNORECASE)
_GATHERING: Final = frozenset({"html", "body"})  # which take the attributes of each of their tags
_VOID: Final = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"]
)
_MAY_STAY_OPEN: Final = frozenset(
    ["dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"]
)
_SILENT: Final = frozenset({"script", "style", "title", "textarea", "template"})
_BLOCKS: Final = frozenset(
    [
        "blockquote",
        "br",
        "dd",
        "div",
        "dt",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)
_CODE: Final = ("code", "pre", "samp", "kbd")
_WITH_TEXT: Final = frozenset(["a", "button", "h1", "h2", "h3", "h4", "h5", "h6", "title", *_CODE])
_BLANKS: Final = re.compile(r"[^\S\n]+")
_LINE_ENDS: Final = re.compile(r"\s*\n\s*")


class Element(Struct, frozen=True, eq=False):
    """One element of the tree."""

    tag: str
    attributes: dict[str, str]  # a value that was left out is ""
    line: int  # of the source, from 1; 0 where it is not known
    text: str = ""  # what stands in it, for headings, links, buttons, code and the title
    images: tuple[dict[str, str], ...] = ()  # the attributes of those in a link

    def get(self, name: str) -> str | None:
        """Return an attribute's value without outer blanks; None where it is not there."""
        value = self.attributes.get(name)
        return None if value is None else value.strip()

    @property
    def shown(self) -> str:
        """The start tag, shortened, for evidence."""
        rows = "".join(
            f' {name}="{value[:_SHOWN_VALUE]}{"…" if len(value) > _SHOWN_VALUE else ""}"'
            for name, value in self.attributes.items()
            if name != "style"
        )
        tag = f"<{self.tag}{rows}>"
        return tag if len(tag) <= _SHOWN else f"{tag[: _SHOWN - 1]}…"


class Page(Struct, frozen=True, eq=False, kw_only=True):
    """What rules look at."""

    source: str  # as far as it was looked at
    elements: tuple[Element, ...]
    text: str  # what is shown, blocks on lines of their own
    styles: tuple[tuple[int, str], ...]  # the line and the content of each <style>
    has_comments: bool
    has_doctype: bool
    is_cut: bool  # there is more than was looked at
    by_tag: dict[str, tuple[Element, ...]]

    def named(self, *tags: str) -> Iterator[Element]:
        """Yield the elements with one of these names, those of the first name first."""
        for tag in tags:
            yield from self.by_tag.get(tag, ())

    @property
    def code(self) -> str:
        """What is shown as code: marks and odd words in it are meant."""
        texts = islice((element.text for element in self.named(*_CODE)), _MAX_CODE)
        return "\n".join(texts)

    def first(self, tag: str) -> Element | None:
        """Return the first element of this name."""
        return next(self.named(tag), None)


class _Scan:
    """Where the tags of a source begin, and how much of it a tree may be built of."""

    def __init__(self, source: str) -> None:
        self.source = source = _few_attributes(source)
        self._starts: dict[str, list[int]] = {}
        self._open: Counter[str] = Counter()
        self._depth = self._unclosed = 0
        self.has_comments = False
        is_foreign = _FOREIGN.search(source) is not None
        markup = _FOREIGN_MARKUP if is_foreign else _MARKUP
        position = 0
        while found := markup.search(source, position):
            text_element, slash, tag = found.groups()
            position = _behind_attributes(source, found.end()) if tag else found.end()
            name = (text_element or tag or "").lower()
            self.has_comments = self.has_comments or found[0].startswith("<!--")
            if name and not slash:
                self._starts.setdefault(name, []).append(found.start())
            is_unsure = is_foreign and found[0][: len(_CDATA)].lower() == _CDATA
            if is_unsure or (tag and self._nests_too_deep(name, is_end=bool(slash))):
                self.source = source[: found.start()]
                break

    def lines(self, counts: Counter[str]) -> dict[str, Iterator[int]]:
        """Return the lines of the elements of each name of which the tree has as many."""
        breaks = [found.start() for found in re.finditer("\n", self.source)]
        return {
            tag: (bisect_right(breaks, start) + 1 for start in starts)
            for tag, starts in self._starts.items()
            if len(starts) == counts[tag]
        }

    def _nests_too_deep(self, tag: str, *, is_end: bool) -> bool:
        if tag in _VOID or (is_end and not self._open[tag]):
            return False  # an end tag without its start changes nothing
        step = -1 if is_end else 1
        self._open[tag] += step
        if tag in _MAY_STAY_OPEN:
            self._unclosed += step
        else:
            self._depth += step
        return self._depth > _MAX_DEPTH or self._unclosed > _MAX_UNCLOSED


def _behind_attributes(source: str, position: int) -> int:
    """Return where the attributes end that begin at ``position``: no tag is in their values."""
    while found := _ATTRIBUTE.match(source, position):
        position = found.end()
    return position


def _few_attributes(source: str) -> str:
    """Return a source, cut at a tag with too many attributes.

    Comments and the like are not skipped: where they end is not always what it seems.
    """
    gathered = 0
    for found in _TAG.finditer(source):
        end = found.end()
        gathers = found[1].lower() in _GATHERING
        number = gathered if gathers else 0
        while number <= _MAX_ATTRIBUTES and (attribute := _ATTRIBUTE.match(source, end)):
            end = attribute.end()
            number += 1
        if number > _MAX_ATTRIBUTES:
            return source[: found.start()]
        if gathers:
            gathered = number
    return source


def shallow(source: str) -> str:
    """Return a source, cut where Lexbor would take long for it."""
    return _Scan(source).source


def read_page(html: str) -> Page:
    """Read an HTML part."""
    scan = _Scan(html[:MAX_HTML].replace("\x00", "\ufffd"))
    tree = LexborHTMLParser(scan.source)
    nodes, text = _walk(tree)
    lines = scan.lines(Counter(node.tag or "" for node in nodes))
    elements = tuple(_element(node, lines) for node in nodes)
    by_tag: dict[str, list[Element]] = {}
    for element in elements:
        by_tag.setdefault(element.tag, []).append(element)
    sheets = (node.text(deep=True) for node in nodes if node.tag == "style")
    return Page(
        source=scan.source,
        elements=elements,
        text=text,
        styles=tuple(
            (element.line, sheet)
            for element, sheet in zip(by_tag.get("style", ()), sheets, strict=True)
        ),
        has_comments=scan.has_comments,
        has_doctype=scan.source.lstrip("\ufeff \t\r\n")[:9].lower() == "<!doctype",
        is_cut=len(scan.source) < len(html),
        by_tag={tag: tuple(some) for tag, some in by_tag.items()},
    )


def _walk(tree: LexborHTMLParser) -> tuple[list[LexborNode], str]:
    """Return the elements in their order, and the text that is shown."""
    nodes: list[LexborNode] = []
    shown: list[str] = []
    left = _MAX_TEXT
    if tree.root is None:
        return nodes, ""
    for node in tree.root.traverse(include_text=True):
        if node.is_element_node:
            nodes.append(node)
            if node.tag in _BLOCKS:
                shown.append("\n")
        elif left > 0 and node.is_text_node:
            parent = node.parent
            if parent is None or parent.tag not in _SILENT:
                piece = node.text_content or ""
                shown.append(piece[:left].replace("\n", " "))
                left -= len(piece)
    text = _LINE_ENDS.sub("\n", _BLANKS.sub(" ", "".join(shown)))
    return nodes, text.strip()


def _element(node: LexborNode, lines: dict[str, Iterator[int]]) -> Element:
    tag = node.tag or ""
    line = next(lines[tag], 0) if tag in lines else 0
    attributes = _attributes(node)
    if tag not in _WITH_TEXT:
        return Element(tag, attributes, line)
    text = " ".join(node.text(deep=True, separator=" ")[:_MAX_ELEMENT_TEXT].split())
    # Most links hold text alone, and looking for more in each is what costs.
    has_elements = tag == "a" and any(child.is_element_node for child in node.iter())
    images = tuple(map(_attributes, node.css("img"))) if has_elements else ()
    return Element(tag, attributes, line, text, images)


def _attributes(node: LexborNode) -> dict[str, str]:
    return {name: value or "" for name, value in node.attributes.items()}
