"""The traces of features in a page: elements, attributes, links, images, and its styles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.preflight.page import Element, Page
from pillarbox.preflight.style import Trace, image_trace, read_attribute, read_sheet

__all__ = ["page_traces"]

_IMAGE_ATTRIBUTES: Final = ("src", "srcset", "poster", "background")
_NO_IMAGES: Final = frozenset({"script", "video", "audio", "iframe", "embed"})  # have a src as well
_IMPLIED: Final = frozenset({"html", "head", "body", "tbody"})  # browsers put them where they miss
_SCHEMES: Final = ("mailto", "#")


def page_traces(page: Page) -> Iterator[Trace]:
    """Yield the traces in a page, with the lines of its source (0: not known)."""
    if page.has_doctype:
        yield Trace("doctype", 1)
    if page.has_comments:
        yield Trace("comment", 0)
    for line, sheet in page.styles:
        for trace in read_sheet(sheet).traces:
            yield Trace(trace.name, line + trace.line - 1 if line else 0)
    for element in page.elements:
        yield from _of_element(element)


def _of_element(element: Element) -> Iterator[Trace]:
    line, tag, attributes = element.line, element.tag, element.attributes
    if line or tag not in _IMPLIED:
        yield Trace(f"element:{tag}", line)
    for name, value in attributes.items():
        if name == "style":
            for trace in read_attribute(value).traces:
                yield Trace(trace.name, line + trace.line - 1 if line else 0)
        else:
            yield Trace(f"attribute:{name}", line)
    yield from _of_kind(element)
    if tag not in _NO_IMAGES:
        for name in _IMAGE_ATTRIBUTES:
            if kind := image_trace(attributes.get(name, "")):
                yield Trace(kind, line)


def _of_kind(element: Element) -> Iterator[Trace]:
    """Yield what an attribute makes of an element."""
    line = element.line
    match element.tag:
        case "input":
            yield Trace(f"input:{(element.get('type') or 'text').lower()}", line)
        case "button":
            yield Trace(f"button:{(element.get('type') or 'submit').lower()}", line)
        case "meta":
            yield Trace(f"meta:{(element.get('name') or '').lower()}", line)
        case "a" | "area":
            href = (element.get("href") or "").lower()
            yield from (Trace(f"link:{kind}", line) for kind in _SCHEMES if href.startswith(kind))
