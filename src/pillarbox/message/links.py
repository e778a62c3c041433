"""The web addresses in a message, for tests that follow one and for link checks.

Markup is scanned linearly, not rendered: sufficiently broken markup is missed. At most
``MAX_LINKS`` are returned, in order, each once per place and text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from pillarbox.message.mail import Mail
from pillarbox.message.plain import html_to_text, unescape

__all__ = ["MAX_LINKS", "Link", "links_in", "links_in_html", "links_in_text"]

MAX_LINKS: Final = 1_000

_LONGEST_URL: Final = 4_000
_LONGEST_TEXT: Final = 300
_LONGEST_ANCHOR: Final = 4_000  # characters of markup examined within one link
# What an attribute's URL is for, by element and attribute.
_KINDS: Final = {
    ("a", "href"): "link",
    ("area", "href"): "link",
    ("form", "action"): "form",
    ("button", "formaction"): "form",
    ("input", "formaction"): "form",
    ("img", "src"): "image",
    ("img", "srcset"): "image",
    ("input", "src"): "image",
    ("image", "href"): "image",
    ("v:image", "src"): "image",
    ("v:fill", "src"): "image",
    ("link", "href"): "style",
    ("iframe", "src"): "frame",
    ("frame", "src"): "frame",
    ("embed", "src"): "media",
    ("object", "data"): "media",
    ("video", "src"): "media",
    ("video", "poster"): "image",
    ("audio", "src"): "media",
    ("source", "src"): "media",
    ("source", "srcset"): "image",
    ("track", "src"): "media",
}

_TAG: Final = re.compile(
    r"""<(?:(!--)|([A-Za-z][A-Za-z0-9:]{0,20})((?>(?:[^<>"']++|"[^"]*+"|'[^']*+')*)))"""
)
_ATTRIBUTE: Final = re.compile(
    r"""([A-Za-z:-]{1,30})\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))"""
)
_STYLE_URL: Final = re.compile(r"""url\(\s*+["']?([^"')\s]{1,4000})""", re.IGNORECASE)
_END_OF_ANCHOR: Final = re.compile(r"</a\s*+>|<a[\s>]", re.IGNORECASE)
# It begins with a character set, which is searched six times as fast as words.
_IN_TEXT: Final = re.compile(
    r"[hHwW](?<!\w[hHwW])(?:(?<=[hH])[tT][tT][pP][sS]?://|(?<=[wW])[wW][wW]\.)"
    r"[^\s<>\"\u3000-\u303f\uff00-\uff5e]{2,4000}"
)
_PIECE: Final = 256 * 1024  # characters per search, during which all other threads wait
_SKIPPED: Final = ("#", "cid:", "data:", "about:")
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}


class Link(Struct, frozen=True, gc=False):
    """A URL in a message."""

    url: str  # as it is written, character references replaced
    text: str  # what the reader sees of it; the alternative text of an image; "" for none
    source: str  # "html" or "text"
    kind: str  # "link", "image", "style", "form", "frame" or "media"


def links_in(mail: Mail) -> tuple[Link, ...]:
    """Return the links of a message: those of the HTML first, then those of the plain text.

    Args:
        mail: The mail.
    """
    found: dict[Link, None] = {}
    for link in links_in_html(mail.html or ""):
        found.setdefault(link)
        if len(found) >= MAX_LINKS:
            return tuple(found)
    for link in links_in_text(mail.text or ""):
        found.setdefault(link)
        if len(found) >= MAX_LINKS:
            break
    return tuple(found)


def links_in_html(html: str) -> Iterator[Link]:
    """Yield what a page links to, shows and loads, in order."""
    position = 0
    while (tag := _TAG.search(html, position)) is not None:
        position = tag.end()
        if tag[1]:  # comments are skipped, except Outlook's conditional ones
            end = html.find("-->", position)
            if end < 0:
                return
            if not html.startswith("[if", position):
                position = end + 3
            continue
        yield from _of_tag(html, tag)
    for found in _STYLE_URL.finditer(html):
        if link := _link(unescape(found[1]), "", "image"):
            yield link


def links_in_text(text: str) -> Iterator[Link]:
    """Yield the addresses in a plain text, in order."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1 or len(text)
        for found in _IN_TEXT.finditer(text, start, end):
            url = _without_punctuation(found[0])
            shown = url
            if url[:4].lower() == "www.":
                url = f"https://{url}"
            yield Link(url, shown[:_LONGEST_TEXT], "text", "link")
        start = end


def _of_tag(html: str, tag: re.Match[str]) -> Iterator[Link]:
    name = tag[2].lower()
    attributes = {
        each[1].lower(): unescape(each[2] or each[3] or each[4] or "").strip()
        for each in reversed(list(_ATTRIBUTE.finditer(tag[3])))  # the first duplicate counts
    }
    for attribute, value in reversed(attributes.items()):
        kind = "image" if attribute == "background" else _KINDS.get((name, attribute))
        if kind is None:
            continue
        text = attributes.get("alt", "")
        if kind == "link":
            text = _anchor_text(html, tag.end()) or attributes.get("title", "")
        for url in _urls(value) if attribute == "srcset" else (value,):
            if link := _link(url, text, kind):
                yield link


def _link(url: str, text: str, kind: str) -> Link | None:
    if not url or url.lower().startswith(_SKIPPED):
        return None
    return Link(url[:_LONGEST_URL], text[:_LONGEST_TEXT], "html", kind)


def _anchor_text(html: str, start: int) -> str:
    """Return the visible text of the link whose tag ends at ``start``."""
    limit = min(len(html), start + _LONGEST_ANCHOR)
    end = _END_OF_ANCHOR.search(html, start, limit)
    markup = html[start : limit if end is None else end.start()].removeprefix(">")
    if text := " ".join(html_to_text(markup).split()):
        return text
    # An image link has the image's alternative text.
    for tag in _TAG.finditer(markup):
        if tag[2] and tag[2].lower() == "img":
            for each in _ATTRIBUTE.finditer(tag[3]):
                if each[1].lower() == "alt":
                    return unescape(each[2] or each[3] or each[4] or "")
    return ""


def _urls(srcset: str) -> Iterator[str]:
    for candidate in srcset.split(","):
        words = candidate.split(None, 1)
        if words:
            yield words[0]


def _without_punctuation(url: str) -> str:
    """Return an address without the punctuation or bracket that follows it."""
    while url:
        last = url[-1]
        opening = _CLOSING.get(last)
        if last in ".,;:!?'*_~|`\u2019\u201d\u00bb" or (
            opening and url.count(opening) < url.count(last)
        ):
            url = url[:-1]
            continue
        break
    return url
