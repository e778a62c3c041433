"""Parses untrusted XML into a small tree, safe from the usual XML attacks.

Expat stops at the first document type or entity, so nothing is expanded or fetched. Depth, number
of elements and text are bounded. Namespaces are dropped, because reports of the same form use
several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from xml.parsers import expat

from pillarbox.mailauth.dmarc_report.unpack import ReportRefused

__all__ = ["Element", "parse_xml"]

_MAX_DEPTH: Final = 20
_LONGEST_TEXT: Final = 4_000  # characters stored per element


class Element:
    """One element with its text and children."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.children: list[Element] = []

    def child(self, name: str) -> Element:
        """Return the first child with a name, or an empty one."""
        return next(self.all_of(name), _NOTHING)

    def all_of(self, name: str) -> Iterator[Element]:
        """Return the children with a name."""
        return (child for child in self.children if child.name == name)

    def get(self, name: str) -> str:
        """Return the text of the first child with a name, without outer blanks."""
        return self.child(name).text.strip()

    def __bool__(self) -> bool:
        return self is not _NOTHING


_NOTHING: Final = Element("")


def parse_xml(
    octets: bytes,
    *,
    encoding: str | None,
    max_elements: int,
    take: str,
    taker: Callable[[Element], None],
) -> Element:
    """Return the root.

    Args:
        octets: The file.
        encoding: Its encoding, which overrides the declared one.
        max_elements: How many elements it may have.
        take: Name of the children of the root that are passed on as soon as they are complete, and
            then dropped.
        taker: Called with each of them.

    Raises:
        ReportRefused: It is not XML, or contains something that no report needs.
    """
    parser = expat.ParserCreate(encoding)
    tree = _Tree(max_elements, take, taker)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_entity
    parser.ExternalEntityRefHandler = _refuse_entity
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.characters
    parser.buffer_text = True
    try:
        parser.Parse(octets, True)  # noqa: FBT003 - expat's "is final"
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise ReportRefused(f"it is no XML: {error}") from None
    return tree.root


def _refuse_doctype(*_: object) -> None:
    raise ReportRefused("it has a document type, behind which entities hide")


def _refuse_entity(*_: object) -> int:
    raise ReportRefused("it has an entity")


class _Tree:
    """Builds the tree from expat's callbacks."""

    def __init__(self, max_elements: int, take: str, taker: Callable[[Element], None]) -> None:
        self.root = Element("")
        self._path: list[Element] = []
        self._left = max_elements
        self._take = take
        self._taker = taker

    def start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        self._left -= 1
        if self._left < 0:
            raise ReportRefused("it has too many elements")
        if len(self._path) >= _MAX_DEPTH:
            raise ReportRefused(f"its elements are nested more than {_MAX_DEPTH} deep")
        self._path.append(Element(name.rpartition(":")[2]))

    def end(self, name: str) -> None:
        del name
        element = self._path.pop()
        if not self._path:
            self.root = element
        elif len(self._path) == 1 and element.name == self._take:
            self._taker(element)
        else:
            self._path[-1].children.append(element)

    def characters(self, text: str) -> None:
        element = self._path[-1]
        if len(element.text) < _LONGEST_TEXT:
            element.text += text[:_LONGEST_TEXT]
