"""Rules for what mail programs remove from HTML, or warn of, because it could harm a reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, judged
from pillarbox.preflight.page import Element

__all__ = ["RULES"]

_SCRIPT_URL: Final = re.compile(
    r"[\x00-\x20]*(?:j\s*a\s*v\s*a|v\s*b)\s*s\s*c\s*r\s*i\s*p\s*t\s*:", re.IGNORECASE
)
_DATA_PAGE: Final = re.compile(
    r"\s*data:\s*(?:text/html|image/svg|application/xhtml)", re.IGNORECASE
)
_URL_ATTRIBUTES: Final = (
    "href",
    "src",
    "action",
    "formaction",
    "background",
    "poster",
    "xlink:href",
)
_DATA_HARMLESS: Final = frozenset({"img", "source", "image"})
_FONTS: Final = re.compile(
    r"//fonts\.(?:googleapis|gstatic|bunny|cdnfonts)\.|typekit|/fonts?/", re.IGNORECASE
)
_MOST: Final = 5
_SCRIPT_TYPES: Final = frozenset({"application/ld+json"})


def _scripts(letter: Letter) -> Iterator[Judged]:
    # Gmail reads JSON-LD for its actions, and nothing runs.
    scripts = [
        one
        for one in _named(letter, "script")
        if (one.get("type") or "").lower() not in _SCRIPT_TYPES
    ]
    yield from _say(
        scripts,
        Level.ERROR,
        501,
        "The HTML has a script",
        "No mail program runs it, and many filters reject the message because of it.",
        "Remove <script>.",
        tenths=15,
    )
    handlers = [
        one for one in _elements(letter) if any(name.startswith("on") for name in one.attributes)
    ]
    yield from _say(
        handlers,
        Level.WARNING,
        502,
        "The HTML has event handlers (on…=)",
        "No mail program runs them, and filters count them.",
        "Remove these attributes.",
        tenths=5,
    )
    yield from _say(
        [one for one in _elements(letter) if _has_script_url(one)],
        Level.ERROR,
        503,
        "A URL runs a script (javascript:, or a page in data:)",
        "Mail programs remove it, and filters reject the message because of it.",
        "Link to an https URL.",
        tenths=15,
    )


def _has_script_url(element: Element) -> bool:
    for name in _URL_ATTRIBUTES:
        value = element.attributes.get(name)
        if value and (
            _SCRIPT_URL.match(value)
            or (_DATA_PAGE.match(value) and element.tag not in _DATA_HARMLESS)
        ):
            return True
    return False


def _embedded(letter: Letter) -> Iterator[Judged]:
    yield from _say(
        _named(letter, "iframe", "frame", "frameset", "object", "embed", "applet"),
        Level.ERROR,
        504,
        "The HTML embeds another page or program",
        "Nearly all mail programs remove it, and filters weigh it heavily.",
        "Show an image that links to the page.",
        tenths=10,
    )


def _forms(letter: Letter) -> Iterator[Judged]:
    forms = _named(letter, "form")
    yield from _say(
        forms,
        Level.WARNING,
        505,
        "The HTML has a form",
        "Outlook does not show it, Gmail warns before it is submitted, and phishing uses forms.",
        "Link to a page with the form.",
        tenths=5,
    )
    passwords = [
        one for one in _named(letter, "input") if (one.get("type") or "").lower() == "password"
    ]
    yield from _say(
        passwords,
        Level.ERROR,
        506,
        "The message asks for a password",
        "Phishing does this, so filters reject it.",
        "Ask for passwords only on your own site.",
        tenths=20,
    )


def _elsewhere(letter: Letter) -> Iterator[Judged]:
    refreshes = [
        one for one in _named(letter, "meta") if (one.get("http-equiv") or "").lower() == "refresh"
    ]
    yield from _say(
        refreshes,
        Level.WARNING,
        507,
        "The HTML redirects the reader to another page (meta refresh)",
        "No mail program does it, and filters count it.",
        "Remove it.",
        tenths=7,
    )
    yield from _say(
        _named(letter, "base"),
        Level.NOTE,
        508,
        "The HTML relies on <base> for its URLs",
        "Gmail and Outlook ignore it, so relative links lead nowhere there.",
        "Write whole URLs.",
    )
    sheets = [
        one
        for one in _named(letter, "link")
        if "stylesheet" in (one.get("rel") or "").lower()
        and not _FONTS.search(one.get("href") or "")
    ]
    yield from _say(
        sheets,
        Level.WARNING,
        509,
        "The HTML loads its style sheet from a URL",
        "Gmail, Outlook and Yahoo do not load it, so the message is shown unstyled.",
        "Put the rules in <style> and style attributes.",
        tenths=5,
    )


def _elements(letter: Letter) -> tuple[Element, ...]:
    return letter.page.elements if letter.page is not None else ()


def _named(letter: Letter, *tags: str) -> list[Element]:
    return list(letter.page.named(*tags)) if letter.page is not None else []


def _say(
    elements: list[Element],
    level: Level,
    number: int,
    what: str,
    why: str,
    fix: str,
    *,
    tenths: int = 0,
) -> Iterator[Judged]:
    if elements:
        yield judged(
            Aspect.SAFETY,
            level,
            number,
            what,
            why,
            fix,
            tenths=tenths,
            evidence=tuple(
                f"HTML line {one.line}: {one.shown}" if one.line else one.shown
                for one in elements[:_MOST]
            ),
            lines=tuple(one.line for one in elements),
        )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _scripts,
    _embedded,
    _forms,
    _elsewhere,
)
