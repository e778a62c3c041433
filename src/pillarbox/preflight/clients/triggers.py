"""The traces that identify each tested feature in a page.

A trace is a word such as ``element:video``, ``property:gap``, ``value:display:flex``, ``unit:vh``,
``pseudo:hover`` or ``image:webp``, as ``clients.traces`` finds them. Most follow from the feature's
name; the table has the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["features_by_trace", "traces_of"]

_PREFIXES: Final = (
    ("css-pseudo-class-", "pseudo:"),
    ("css-pseudo-element-", "pseudo-element:"),
    ("css-selector-", "selector:"),
    ("css-unit-", "unit:"),
    ("css-function-", "function:"),
    ("css-at-media-", "media:"),
    ("css-at-", "at:"),
    ("css-", "property:"),
    ("html-input-", "input:"),
    ("html-button-", "button:"),
    ("html-aria-", "attribute:aria-"),
    ("html-", "element:"),
    ("image-", "image:"),
)
_SIDES: Final = ("top", "right", "bottom", "left")
_LOGICAL: Final = ("inline", "block")


def _properties(*names: str) -> tuple[str, ...]:
    return tuple(f"property:{name}" for name in names)


def _elements(*names: str) -> tuple[str, ...]:
    return tuple(f"element:{name}" for name in names)


def _sides(name: str) -> tuple[str, ...]:
    return _properties(name, *(f"{name}-{side}" for side in _SIDES))


_BORDERS: Final = ("border", *(f"border-{side}" for side in _SIDES))
_FACETS: Final = ("color", "style", "width")
_TRACES: Final = {
    "css-animation": _properties(
        *("animation", "animation-name", "animation-duration", "animation-delay"),
        *("animation-direction", "animation-fill-mode", "animation-iteration-count"),
        *("animation-play-state", "animation-timing-function"),
    ),
    "css-at-media-device-pixel-ratio": ("media:device-pixel-ratio", "media:resolution"),
    "css-at-media-hover": ("media:hover", "media:any-hover"),
    "css-block-inline-size": _properties("block-size", "inline-size"),
    "css-border": _properties(
        *_BORDERS, *(f"{name}-{facet}" for name in _BORDERS for facet in _FACETS)
    ),
    "css-border-image": _properties(
        *("border-image", "border-image-source", "border-image-slice", "border-image-width"),
        *("border-image-outset", "border-image-repeat"),
    ),
    "css-border-inline-block": _properties(*(f"border-{axis}" for axis in _LOGICAL)),
    "css-border-inline-block-individual": _properties(
        *(f"border-{axis}-{end}" for axis in _LOGICAL for end in ("start", "end")),
    ),
    "css-border-inline-block-longhand": _properties(
        *(f"border-{axis}-{facet}" for axis in _LOGICAL for facet in _FACETS),
        *(
            f"border-{axis}-{end}-{facet}"
            for axis in _LOGICAL
            for end in ("start", "end")
            for facet in _FACETS
        ),
    ),
    "css-border-radius": _properties(
        "border-radius",
        *(f"border-{y}-{x}-radius" for y in ("top", "bottom") for x in ("left", "right")),
    ),
    "css-border-radius-logical": _properties(
        *(f"border-{y}-{x}-radius" for y in ("start", "end") for x in ("start", "end"))
    ),
    "css-column-layout-properties": _properties(
        *("columns", "column-count", "column-width", "column-fill", "column-rule", "column-span"),
        *("column-rule-color", "column-rule-style", "column-rule-width"),
    ),
    "css-comments": ("css-comment",),
    "css-conic-gradient": ("function:conic-gradient", "function:repeating-conic-gradient"),
    "css-display-flex": ("value:display:flex", "value:display:inline-flex"),
    "css-display-grid": ("value:display:grid", "value:display:inline-grid"),
    "css-display-none": ("value:display:none",),
    "css-flex-direction": ("value:flex-direction:column", "value:flex-direction:column-reverse"),
    "css-flex-wrap": ("value:flex-wrap:wrap", "value:flex-flow:wrap"),
    "css-gap": _properties("gap", "column-gap", "row-gap", "grid-gap"),
    "css-grid-template": _properties(
        "grid-template", "grid-template-areas", "grid-template-columns", "grid-template-rows"
    ),
    "css-important": ("important",),
    "css-inert-attribute": ("attribute:inert",),
    "css-inset": _properties("inset"),
    "css-intrinsic-size": tuple(
        f"keyword:{word}" for word in ("fit-content", "min-content", "max-content")
    ),
    "css-left-right-top-bottom": _properties(*_SIDES),
    "css-linear-gradient": ("function:linear-gradient", "function:repeating-linear-gradient"),
    "css-margin": _sides("margin"),
    "css-margin-block-start-end": _properties("margin-block-start", "margin-block-end"),
    "css-margin-inline-block": _properties("margin-inline", "margin-block"),
    "css-margin-inline-start-end": _properties("margin-inline-start", "margin-inline-end"),
    "css-modern-color": tuple(f"function:{word}" for word in ("lch", "oklch", "lab", "oklab")),
    "css-nesting": ("nesting",),
    "css-outline": _properties("outline", "outline-color", "outline-style", "outline-width"),
    "css-overflow": _properties("overflow", "overflow-x", "overflow-y"),
    "css-padding": _sides("padding"),
    "css-padding-block-start-end": _properties("padding-block-start", "padding-block-end"),
    "css-padding-inline-block": _properties("padding-inline", "padding-block"),
    "css-padding-inline-start-end": _properties("padding-inline-start", "padding-inline-end"),
    "css-radial-gradient": ("function:radial-gradient", "function:repeating-radial-gradient"),
    "css-rgb": ("function:rgb",),
    "css-rgba": ("function:rgba",),
    "css-scroll-snap": _properties(
        *("scroll-snap-type", "scroll-snap-align", "scroll-snap-stop", "scroll-margin"),
        "scroll-padding",
    ),
    "css-sytem-ui": tuple(
        f"keyword:{word}"
        for word in ("system-ui", "ui-serif", "ui-sans-serif", "ui-rounded", "ui-monospace")
    ),
    "css-text-emphasis": _properties("text-emphasis", "text-emphasis-color", "text-emphasis-style"),
    "css-text-wrap": _properties("text-wrap", "text-wrap-mode", "text-wrap-style"),
    "css-transform": _properties("transform", "translate", "rotate", "scale"),
    "css-transition": _properties(
        *("transition", "transition-property", "transition-duration", "transition-delay"),
        "transition-timing-function",
    ),
    "css-unit-calc": ("function:calc",),
    "css-unit-initial": ("keyword:initial",),
    "css-unit-percent": ("unit:%",),
    "css-variables": ("property:--", "function:var"),
    "html-acronym": _elements("acronym"),
    "html-align": ("attribute:align",),
    "html-anchor-links": ("link:#",),
    "html-background": ("attribute:background",),
    "html-cellpadding": ("attribute:cellpadding",),
    "html-cellspacing": ("attribute:cellspacing",),
    "html-comments": ("comment",),
    "html-dir": ("attribute:dir",),
    "html-doctype": ("doctype",),
    "html-h1-h6": _elements("h1", "h2", "h3", "h4", "h5", "h6"),
    "html-height": ("attribute:height",),
    "html-hidden": ("attribute:hidden",),
    "html-image-maps": ("attribute:usemap", "element:map"),
    "html-lang": ("attribute:lang",),
    "html-lists": _elements("ul", "ol", "dl"),
    "html-loading-attribute": ("attribute:loading",),
    "html-mailto-links": ("link:mailto",),
    "html-meta-color-scheme": ("meta:color-scheme", "meta:supported-color-schemes"),
    "html-popover": ("attribute:popover", "attribute:popovertarget"),
    "html-required": ("attribute:required",),
    "html-role": ("attribute:role",),
    "html-semantics": _elements(
        *("article", "aside", "details", "figcaption", "figure", "footer", "header", "main"),
        *("mark", "nav", "section", "summary", "time"),
    ),
    "html-srcset": ("attribute:srcset", "attribute:sizes"),
    "html-strong": _elements("strong"),
    "html-target": ("attribute:target",),
    "html-valign": ("attribute:valign",),
    "html-width": ("attribute:width",),
    "image-apng": ("image:apng",),
    "image-base64": ("image:data",),
    "image-heif": ("image:heif", "image:heic"),
    "image-jpg": ("image:jpg", "image:jpeg"),
    "image-mp4": ("image:mp4",),
    "image-tiff": ("image:tiff", "image:tif"),
}


def traces_of(slug: str) -> tuple[str, ...]:
    """Return the traces of a feature, each of which is enough."""
    if slug in _TRACES:
        return _TRACES[slug]
    prefix, kind = next(row for row in _PREFIXES if slug.startswith(row[0]))
    return (kind + slug.removeprefix(prefix),)


def features_by_trace(slugs: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return which of the features each trace shows."""
    found: dict[str, tuple[str, ...]] = {}
    for trace, slug in _pairs(slugs):
        found[trace] = (*found.get(trace, ()), slug)
    return found


def _pairs(slugs: Iterable[str]) -> Iterator[tuple[str, str]]:
    for slug in slugs:
        for trace in traces_of(slug):
            yield trace, slug
