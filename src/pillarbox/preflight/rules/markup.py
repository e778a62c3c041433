"""Rules for HTML: what clients do not support, and what readers need to read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, FeatureUse, Judged, Support
from pillarbox.preflight.clients.support import clients
from pillarbox.preflight.color import contrast, read_color
from pillarbox.preflight.letter import Letter, judged, plural
from pillarbox.preflight.page import Element, Page
from pillarbox.preflight.style import read_attribute

__all__ = ["RULES", "loses_content"]

# Features whose lack takes content or its place away; all others only make a mail plainer.
_LOSES_CONTENT: Final = frozenset(
    [
        "html-video",
        "html-audio",
        "html-svg",
        "html-object",
        "html-dialog",
        "html-form",
        "html-select",
        "html-textarea",
        "html-input-checkbox",
        "html-input-radio",
        "html-input-text",
        "html-button-submit",
        "html-meter",
        "html-progress",
        "html-marquee",
        "html-popover",
        "image-svg",
        "image-base64",
        "image-webp",
        "image-avif",
        "image-heif",
        "image-tiff",
        "image-hdr",
        "image-mp4",
        "image-bmp",
        "image-ico",
        "css-position",
        "css-display-flex",
        "css-display-grid",
        "css-grid-template",
        "css-variables",
        "css-nesting",
        "css-function-clamp",
        "css-function-light-dark",
        "css-modern-color",
        "css-unit-calc",
        "css-clip-path",
        "css-mask-image",
        "css-transform",
    ]
)
# Nothing is to be seen of these.
_NO_LOSS: Final = frozenset(
    [
        "html-target",
        "html-doctype",
        "html-comments",
        "html-lang",
        "html-role",
        "css-comments",
        "css-cursor",
        "html-meta-color-scheme",
        "html-loading-attribute",
        "css-important",
    ]
)
_WIDELY: Final = 0.5  # of the clients that were tested
_MOST: Final = 5
_LEAST_CONTRAST: Final = 3.0  # WCAG 2 asks for 4.5, and for 3 where the text is large
_LAYOUT_ROLES: Final = frozenset({"presentation", "none"})
_NO_PREVIEW: Final = re.compile(
    r"(?:having trouble|trouble viewing|can.?t see|view (?:this |it )?(?:e?mail )?(?:in|on)"
    r"|click here to view|https?://|unsubscribe)",
    re.IGNORECASE,
)
_INVISIBLE: Final = re.compile(
    "[\u00a0\u00ad\u034f\u061c\u180e\u200b-\u200f\u2007\u2028-\u202e\u2060-\u206f\ufeff\\s]+"
)
_PREVIEW: Final = 90  # characters


def loses_content(use: FeatureUse) -> bool:
    """Say whether readers without this feature miss something."""
    return use.slug in _LOSES_CONTENT


def _clients(letter: Letter) -> Iterator[Judged]:
    if letter.page is None:
        return
    found = letter.clients
    lacking = [use for use in found.features if _share(use) > 0]
    losses = [use for use in lacking if loses_content(use) and _share(use) >= _WIDELY]
    for use in losses:
        yield _loss(use)
    plainer = [
        use
        for use in lacking
        if use not in losses and use.slug not in _NO_LOSS and _share(use) >= _WIDELY
    ]
    if plainer:
        yield _one(
            Level.NOTE,
            411,
            f"Half of the clients or more lack {len(plainer)} of the "
            f"{plural(len(found.features), 'feature')} that the HTML uses",
            "In those clients the message looks plainer; the table of clients shows which ones "
            "(caniemail.com).",
            "Check that the message can be read without them; most are decoration.",
            evidence=tuple(f"{use.title}: {_who(use)}" for use in plainer[:_MOST]),
        )
    elif not losses:
        yield _one(Level.OK, 410, "Most clients support all that the HTML uses")


def _loss(use: FeatureUse) -> Judged:
    note = next(iter(use.notes.values()), "")
    return _one(
        Level.WARNING,
        412,
        f"Not supported by {_who(use)}: {use.title}",
        f"In those clients its content or position is lost. {note}".strip(),
        f"Make the message work without it; see {use.url}",
        evidence=(f"used {use.count} time{'s' * (use.count > 1)}",),
        lines=use.lines,
        tenths=2,
    )


def _share(use: FeatureUse) -> float:
    words = list(use.support.values())
    return words.count(Support.NO) / max(len(clients()) - words.count(Support.UNKNOWN), 1)


def _who(use: FeatureUse) -> str:
    """Return who lacks a feature: families where all of it does, with how many in all."""
    without = {name for name, word in use.support.items() if word is Support.NO}
    families: dict[str, list[bool]] = {}
    for client in clients():
        families.setdefault(client.family, []).append(client.name in without)
    whole = [family for family, lacks in families.items() if all(lacks)]
    partly = [family for family, lacks in families.items() if any(lacks) and not all(lacks)]
    named = [*whole, *(f"{family} (partly)" for family in partly)][:4]
    more = len(whole) + len(partly) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _document(letter: Letter) -> Iterator[Judged]:
    page = letter.page
    if page is None or len(page.text) < 200:  # noqa: PLR2004 - a short note needs no ceremony
        return
    html, missing = page.first("html"), []
    if not page.has_doctype:
        missing.append("<!DOCTYPE html>: without it, clients use the rules of the 1990s")
    if html is None or not html.get("lang"):
        missing.append('<html lang="en">: screen readers use it to choose the voice')
    title = page.first("title")
    if title is None or not title.text:
        missing.append("<title>: shown where the mail is opened in a browser, and read aloud")
    names = {(meta.get("name") or "").lower() for meta in page.named("meta")}
    if "viewport" not in names and page.first("table") is not None:
        missing.append(
            '<meta name="viewport" content="width=device-width">: phones use it to scale the page'
        )
    if missing:
        yield _one(
            Level.NOTE,
            413,
            f"The head of the HTML lacks {len(missing)} thing{'s' * (len(missing) > 1)}",
            "Readers who use other mail programs than you do need them.",
            "Add them; each is one line.",
            evidence=tuple(missing),
        )


def _tables(letter: Letter) -> Iterator[Judged]:
    page = letter.page
    tables = list(page.named("table")) if page is not None else []
    without = [one for one in tables if (one.get("role") or "").lower() not in _LAYOUT_ROLES]
    if page is not None and len(without) > 1 and page.first("th") is None:
        yield _one(
            Level.NOTE,
            414,
            f"{len(without)} layout tables do not say that they are not data tables",
            "Screen readers then announce rows and columns.",
            'Add role="presentation" to tables used for layout.',
            lines=tuple(one.line for one in without[:_MOST]),
        )


def _contrast(letter: Letter) -> Iterator[Judged]:
    found = []
    for element in letter.page.elements if letter.page is not None else ():
        ratio = _ratio(element)
        if ratio is not None and ratio < _LEAST_CONTRAST:
            found.append((element, ratio))
    if found:
        yield _one(
            Level.WARNING,
            415,
            f"Text is hard to read on its background (contrast {found[0][1]:.1f} to 1)",
            "Many people cannot read it, and filters look for hidden text.",
            "Choose colors with a contrast of 4.5 to 1 or more.",
            evidence=tuple(
                f"HTML line {one.line}: {one.shown} {_colors(one)}" for one, _ in found[:_MOST]
            ),
            lines=tuple(one.line for one, _ in found),
            tenths=2,
        )


def _colors(element: Element) -> str:
    declared = dict(read_attribute(element.attributes.get("style", "")).declarations)
    names = ("color", "background-color", "background")
    return "; ".join(f"{name}: {declared[name]}" for name in names if name in declared)


def _ratio(element: Element) -> float | None:
    """Return the contrast of an element that sets both colors itself, and is shown."""
    style = element.attributes.get("style", "")
    if "color" not in style:
        return None
    declared = dict(read_attribute(style).declarations)
    hidden = declared.get("display") == "none" or declared.get("visibility") == "hidden"
    is_tiny = declared.get("font-size", "").rstrip("px em") in {"0", "1"}
    if hidden or is_tiny or declared.get("max-height", "").startswith("0"):
        return None
    front = read_color(declared.get("color", ""))
    back = read_color(
        declared.get("background-color")
        or declared.get("background")
        or element.attributes.get("bgcolor", "")
    )
    return contrast(front, back) if front is not None and back is not None else None


def _preview(letter: Letter) -> Iterator[Judged]:
    page = letter.page
    if page is None or not page.text:
        return
    shown = _INVISIBLE.sub(" ", page.text).strip()[:_PREVIEW]
    if _NO_PREVIEW.match(shown):
        yield _one(
            Level.NOTE,
            416,
            "The preview in the message list will say nothing about the message",
            "Mail programs show the first words beside the subject.",
            "Begin with a hidden line that sums up the message (a “preheader”).",
            evidence=(f"preview: {shown}",),
        )


def _cut(letter: Letter) -> Iterator[Judged]:
    if letter.page is not None and letter.page.is_cut:
        yield _one(
            Level.WARNING,
            417,
            "The HTML is too large or too deeply nested to be checked as a whole",
            "Mail programs give up, too; the findings here cover its beginning.",
            "Make it smaller.",
            tenths=5,
        )


def _dark(letter: Letter) -> Iterator[Judged]:
    page = letter.page
    if page is None or not _has_dark_rules(page):
        return
    names = {(meta.get("name") or "").lower() for meta in page.named("meta")}
    if not names & {"color-scheme", "supported-color-schemes"}:
        yield _one(
            Level.NOTE,
            418,
            "There are rules for dark mode, but no color-scheme is declared",
            "Apple Mail may invert the colors on its own.",
            'Add <meta name="color-scheme" content="light dark"> to the head.',
        )


def _has_dark_rules(page: Page) -> bool:
    return any("prefers-color-scheme" in sheet for _, sheet in page.styles)


def _one(
    level: Level,
    number: int,
    what: str,
    why: str = "",
    fix: str = "",
    *,
    tenths: int = 0,
    evidence: tuple[str, ...] = (),
    lines: tuple[int, ...] = (),
) -> Judged:
    return judged(
        Aspect.RENDERING,
        level,
        number,
        what,
        why,
        fix,
        tenths=tenths,
        evidence=evidence,
        lines=lines,
    )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _clients,
    _document,
    _tables,
    _contrast,
    _preview,
    _cut,
    _dark,
)
