"""The traces of features in a page: elements, attributes, links, images, and styles.

What follows from names alone (``name_traces``) is separate from what follows from values
(``value_traces``): pages repeat the former by the thousand, so it can be cached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pillarbox.preflight.page import Element
from pillarbox.preflight.style import image_trace

__all__ = ["IMPLIED", "name_traces", "value_traces"]

IMPLIED: Final = frozenset({"html", "head", "body", "tbody"})
"""Elements that browsers put where they miss."""

_IMAGE_ATTRIBUTES: Final = ("src", "srcset", "poster", "background")
_NO_IMAGES: Final = frozenset({"script", "video", "audio", "iframe", "embed"})  # have a src as well
_SCHEMES: Final = ("mailto", "#")


def name_traces(tag: str, attributes: Iterable[str]) -> Iterator[str]:
    """Yield the traces of an element and of the names of its attributes."""
    yield f"element:{tag}"
    for name in attributes:
        if name != "style":
            yield f"attribute:{name}"


def value_traces(element: Element) -> Iterator[str]:
    """Yield what an element's values are the traces of."""
    match element.tag:
        case "input":
            yield f"input:{(element.get('type') or 'text').lower()}"
        case "button":
            yield f"button:{(element.get('type') or 'submit').lower()}"
        case "meta":
            yield f"meta:{(element.get('name') or '').lower()}"
        case "a" | "area":
            href = (element.get("href") or "").lower()
            yield from (f"link:{kind}" for kind in _SCHEMES if href.startswith(kind))
    if element.tag not in _NO_IMAGES:
        for name in _IMAGE_ATTRIBUTES:
            value = element.attributes.get(name)
            if value and (kind := image_trace(value)):
                yield kind
