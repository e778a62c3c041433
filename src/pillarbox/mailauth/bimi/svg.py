"""Validates a logo against SVG Tiny Portable/Secure, the profile of BIMI.

The file comes from a stranger and will be shown to people, so nothing is accepted that could run
code, fetch a resource, or expand. The parser is expat, which stops at the first document type,
entity or processing instruction; size, depth and number of elements are bounded. Nothing is
rendered.

The profile is draft-svg-tiny-ps-abrotman: SVG 1.2 Tiny without scripts, animation, links and
external references.
"""

from __future__ import annotations

import re
import zlib
from typing import Final
from xml.parsers import expat

__all__ = ["MAX_LOGO_SIZE", "check_logo"]

MAX_LOGO_SIZE: Final = 32 * 1024  # octets, unpacked; the profile's advice
_MAX_DEPTH: Final = 64
_MAX_ELEMENTS: Final = 5_000
_MAX_PROBLEMS: Final = 20
_GZIP: Final = b"\x1f\x8b"
_SVG: Final = "http://www.w3.org/2000/svg"
_XHTML: Final = "http://www.w3.org/1999/xhtml"
_XLINK: Final = "http://www.w3.org/1999/xlink"

# SVG 1.2 Tiny without what the profile takes out: script, handler, listener, a, animation,
# animate*, set, mpath, audio, video, image, foreignObject, discard, prefetch, switch, tbreak.
_ELEMENTS: Final = frozenset(
    [
        "svg",
        "g",
        "defs",
        "title",
        "desc",
        "metadata",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "textArea",
        "use",
        "solidColor",
        "linearGradient",
        "radialGradient",
        "stop",
        "style",
    ]
)
# Elements of other namespaces may only be metadata, which nobody draws.
_METADATA: Final = "metadata"
_FORBIDDEN_NAMES: Final = frozenset({"x", "y"})  # of the root: the profile allows neither
_URL_FUNCTION: Final = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)", re.IGNORECASE)
_STYLE_DANGER: Final = re.compile(r"@import|expression|javascript:|\\", re.IGNORECASE)


def check_logo(octets: bytes) -> tuple[str, ...]:
    """Return why a logo must not be shown; () for one that may.

    Args:
        octets: The file, which may be compressed with gzip (``.svgz``).
    """
    try:
        octets = _unpack(octets)
    except _Refused as error:
        return (str(error),)
    check = _Check()
    try:
        check.run(octets)
    except _Refused as error:
        check.problems.append(str(error))
    except (expat.ExpatError, ValueError, LookupError) as error:
        check.problems.append(f"it is no XML: {error}")
    return tuple(check.problems[:_MAX_PROBLEMS])


class _Refused(Exception):  # noqa: N818 - reads as what it says
    """Ends the parsing; never leaves this module."""


def _unpack(octets: bytes) -> bytes:
    if octets.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            octets = unpacker.decompress(octets, MAX_LOGO_SIZE + 1)
        except zlib.error as error:
            raise _Refused(f"it cannot be unpacked: {error}") from None
    if len(octets) > MAX_LOGO_SIZE:
        raise _Refused(f"it is larger than {MAX_LOGO_SIZE // 1024} KiB")
    return octets


class _Check:
    """One file on its way through the parser."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._path: list[str] = []
        self._ids: list[str] = []  # of the elements in the path, "" for one without
        self._ids_with_use: set[str] = set()
        self._used: set[str] = set()
        self._elements = 0
        self._has_title = False
        self._text: list[str] = []

    def run(self, octets: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_entity
        parser.ExternalEntityRefHandler = self._refuse_entity
        parser.ProcessingInstructionHandler = self._refuse_instruction
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.buffer_text = True
        parser.Parse(octets, True)  # noqa: FBT003 - expat's "is final"
        if not self._used.isdisjoint(self._ids_with_use):
            self.problems.append("use refers to what has use in it, which may grow without end")
        if not self._has_title:
            self.problems.append("it has no title, which the profile wants below svg")

    def _refuse_doctype(self, *_: object) -> None:
        raise _Refused("it has a document type, behind which entities hide")

    def _refuse_entity(self, *_: object) -> int:
        raise _Refused("it has an entity")

    def _refuse_instruction(self, *_: object) -> None:
        raise _Refused("it has a processing instruction")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise _Refused(f"it has more than {_MAX_ELEMENTS} elements")
        namespace, _, local = name.rpartition(" ")
        if len(self._path) >= _MAX_DEPTH:
            raise _Refused(f"its elements are nested more than {_MAX_DEPTH} deep")
        if not self._path:
            self._check_root(namespace, local, attributes)
        else:
            self._check_element(namespace, local)
        if local == "title" and len(self._path) == 1:
            self._has_title = True
        self._path.append(local)
        self._ids.append(attributes.get("id", ""))
        if local == "use":
            self._note_use(attributes)
        for key, value in attributes.items():
            self._check_attribute(local, key, value)

    def _end(self, name: str) -> None:
        del name
        self._ids.pop()
        if self._path.pop() == "style":
            self._check_style("style", "".join(self._text))
            self._text.clear()

    def _characters(self, text: str) -> None:
        if self._path and self._path[-1] == "style":
            self._text.append(text)

    def _check_root(self, namespace: str, local: str, attributes: dict[str, str]) -> None:
        if (namespace, local) != (_SVG, "svg"):
            raise _Refused("its root is not svg in the namespace of SVG")
        if attributes.get("version") != "1.2":
            self.problems.append('the root does not say version="1.2"')
        if attributes.get("baseProfile") != "tiny-ps":
            self.problems.append('the root does not say baseProfile="tiny-ps"')
        self.problems += [
            f"the root has the attribute {n}" for n in _FORBIDDEN_NAMES & {*attributes}
        ]

    def _check_element(self, namespace: str, local: str) -> None:
        if _METADATA in self._path:
            # Elements that are not drawn may have any namespace that mail clients do not execute.
            is_allowed = namespace not in {"", _SVG, _XHTML} or local in {"title", "desc"}
        else:
            is_allowed = namespace == _SVG and local in _ELEMENTS
        if not is_allowed:
            self.problems.append(f"the element {local[:40]!a} is not in the profile")

    def _note_use(self, attributes: dict[str, str]) -> None:
        self._ids_with_use.update(filter(None, self._ids))
        for key in ("href", f"{_XLINK} href"):
            self._used.add(attributes.get(key, "").strip().removeprefix("#"))

    def _check_attribute(self, element: str, key: str, value: str) -> None:
        namespace, _, name = key.rpartition(" ")
        lower = name.lower()
        if lower.startswith("on") and namespace == "":
            self.problems.append(f"{element} has the script {name[:40]!a}")
        elif lower in {"href", "src"} and not value.lstrip().startswith("#"):
            self.problems.append(f"{element} refers to the outside: {value[:60]!a}")
        elif namespace == _XLINK and lower not in {"href", "title", "type", "show", "role"}:
            self.problems.append(f"{element} has the link attribute {name[:40]!a}")
        else:
            self._check_style(element, value)

    def _check_style(self, element: str, text: str) -> None:
        if _URL_FUNCTION.search(text) or _STYLE_DANGER.search(text):
            self.problems.append(f"{element} refers to the outside: {text.strip()[:60]!a}")
