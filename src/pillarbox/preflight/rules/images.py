"""Rules for images: alternative texts, sizes, missing parts, messages of images only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, judged, plural
from pillarbox.preflight.page import Element, Page
from pillarbox.preflight.style import read_attribute

__all__ = ["RULES"]

_LEAST_WORDS: Final = 15  # beside a large image
_FEW_WORDS: Final = 4  # beside images of which nobody says how large they are
_LARGE: Final = 100 * 200  # square pixels, from which on an image may stand for text
_WIDE: Final = 300  # pixels of one side, where the other is not said
_MOST: Final = 5
_NUMBER: Final = re.compile(r"\s*(\d{1,5})(?!\d|\s*%)")  # pixels, and no part of the whole
_TINY: Final = 2  # pixels
_ICON: Final = 32
_UNKNOWN: Final = 100_000


def _alternatives(letter: Letter) -> Iterator[Judged]:
    page = letter.page
    without = [one for one in _pictures(page) if one.get("alt") is None]
    if without:
        yield _one(
            Level.WARNING,
            401,
            f"{_count(without)} without alternative text",
            "Outlook shows no images until asked, so readers see nothing there; blind readers "
            "never do.",
            'Add alt="what it shows", or alt="" for mere decoration.',
            without,
            tenths=3,
        )
    in_links = [
        one
        for one in (page.named("a") if page else ())
        if one.images and not one.text and all(not image.get("alt") for image in one.images)
        and one.get("href")
    ]  # fmt: skip
    if in_links and not without:
        yield _one(
            Level.WARNING,
            402,
            f"{plural(len(in_links), 'link')} made only of images without alternative text",
            "For blind readers, and where images are off, there is nothing to follow.",
            "Say in the image's alt where the link leads.",
            in_links,
            tenths=2,
        )


def _sizes(letter: Letter) -> Iterator[Judged]:
    without = [
        one
        for one in _pictures(letter.page)
        if one.get("width") is None and "width" not in dict(_styles(one))
    ]
    if without:
        yield _one(
            Level.NOTE,
            403,
            f"{_count(without)} without a width",
            "Outlook for Windows honors only the attribute, and otherwise shows the image at full "
            "size; in other programs the layout jumps when the image has loaded.",
            'Set width="…" (in pixels, without “px”).',
            without,
        )


def _missing_parts(letter: Letter) -> Iterator[Judged]:
    ids = {node.content_id for node in letter.mail.tree.walk() if node.content_id}
    found = [
        one
        for one in letter.references
        if one.kind == "resource"
        and one.url[:4].lower() == "cid:"
        and unquote(one.url[4:]) not in ids
    ]
    if found:
        yield judged(
            Aspect.RENDERING,
            Level.ERROR,
            404,
            f"{plural(len(found), 'image')} whose attached part is missing",
            "Readers see a broken image.",
            "Attach the image as a part of multipart/related, with that Content-ID in angle "
            "brackets.",
            tenths=10,
            evidence=tuple(one.shown for one in found[:_MOST]),
            lines=tuple(one.line for one in found),
        )


def _only_images(letter: Letter) -> Iterator[Judged]:
    """Say that images stand for text; a small one beside a short text, such as a logo, does not."""
    page = letter.page
    pictures = [one for one in _pictures(page) if _size(one) > _ICON]
    if page is None or not pictures:
        return
    words = len(page.text.split())
    if words < max(map(_least_words, pictures)):
        yield _one(
            Level.WARNING,
            405,
            f"The message is images, with only {plural(words, 'word')}" if words
            else "The message is nothing but images",
            "Where images are off it is blank; filters count it because spammers hide text this "
            "way.",
            "Write what matters as text, not in images.",
            pictures,
            tenths=10,
        )  # fmt: skip


def _tracking(letter: Letter) -> Iterator[Judged]:
    tiny = [one for one in _images(letter.page) if _is_tiny(one) and _is_remote(one)]
    if tiny:
        yield _one(
            Level.NOTE,
            406,
            f"{plural(len(tiny), 'image')} of one pixel, as used to track readers",
            "Apple Mail and Gmail fetch all images themselves, so the count says little; in "
            "Europe, tracking needs the reader's consent.",
            "Leave the tracking pixel out unless you need it.",
            tiny,
        )


def _images(page: Page | None) -> list[Element]:
    return list(page.named("img")) if page is not None else []


def _pictures(page: Page | None) -> list[Element]:
    """Return the images that a reader is meant to see."""
    return [one for one in _images(page) if not _is_tiny(one) and not _is_hidden(one)]


def _is_tiny(image: Element) -> bool:
    return _size(image) <= _TINY


def _size(image: Element) -> int:
    """Return the larger of width and height, as far as they are said; a large number if not."""
    return max((_side(image, "width") or 0, _side(image, "height") or 0)) or _UNKNOWN


def _least_words(image: Element) -> int:
    """Return how many words a mail should have beside an image, by the size of it."""
    width, height = _side(image, "width"), _side(image, "height")
    if width is None or height is None:
        return _LEAST_WORDS if (width or height or 0) >= _WIDE else _FEW_WORDS
    return _LEAST_WORDS if width * height >= _LARGE else 1


def _side(image: Element, name: str) -> int | None:
    """Return the pixels that the attribute or the style says, the larger of the two."""
    found = (
        _NUMBER.match(image.get(name) or ""),
        _NUMBER.match(dict(_styles(image)).get(name, "")),
    )
    return max((int(each[1]) for each in found if each is not None), default=None)


def _is_hidden(image: Element) -> bool:
    return dict(_styles(image)).get("display", "").lower() == "none"


def _is_remote(image: Element) -> bool:
    return (image.get("src") or "")[:4].lower() == "http"


def _styles(element: Element) -> tuple[tuple[str, str], ...]:
    return read_attribute(element.attributes.get("style", "")).declarations


def _count(images: list[Element]) -> str:
    return "An image" if len(images) == 1 else f"{len(images)} images"


def _one(
    level: Level,
    number: int,
    what: str,
    why: str,
    fix: str,
    elements: list[Element],
    *,
    tenths: int = 0,
) -> Judged:
    shown = (
        f"HTML line {one.line}: {one.shown}" if one.line else one.shown for one in elements[:_MOST]
    )
    return judged(
        Aspect.RENDERING,
        level,
        number,
        what,
        why,
        fix,
        tenths=tenths,
        evidence=tuple(shown),
        lines=tuple(one.line for one in elements),
    )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _alternatives,
    _sizes,
    _missing_parts,
    _only_images,
    _tracking,
)
