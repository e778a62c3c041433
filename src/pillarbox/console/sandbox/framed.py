"""Prepares the HTML of a message for its frame.

The frame may run nothing and load nothing (``FRAME_POLICY``, and the ``sandbox`` attribute of the
page); that is the security boundary. This module makes mail work inside it: inline images become
``data:`` URLs, so that the frame requests nothing at all; links lead to a page that shows where
they go; remote images are replaced by a placeholder until they are asked for; the author's dark
style is selected by us instead of the system. Content that the policy would block anyway is
removed, so that the browser logs no errors.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import quote, unquote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pillarbox.console.sandbox.stylesheet import rewrite_style
from pillarbox.message.mail import Mail
from pillarbox.preflight.page import shallow
from pillarbox.web.security import content_policy

__all__ = ["LEAVABLE", "Framed", "Scheme", "frame", "frame_policy"]

LEAVABLE: Final = frozenset({"http", "https", "mailto", "tel"})
"""The schemes of links that can be followed; others lead nowhere."""

_LONGEST: Final = 4 * 1024 * 1024  # characters of HTML
_MOST_INLINE: Final = 32 * 1024 * 1024  # octets of inline images, each use counted
_MOST_ROUNDS: Final = 4
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*+):", re.IGNORECASE)
# Browsers leave these out of a URL before they look at it (URL Standard, "basic URL parser").
_DROPPED: Final = re.compile(r"[\t\n\r]|^[\x00-\x20]+|[\x00-\x20]+$")
_DOCTYPE: Final = re.compile(r"\s*+(<!doctype[^>]{0,300}+>)", re.IGNORECASE)
_TAKEN_OUT: Final = (
    "script, link, base, template, iframe, frame, object, embed, applet, portal, fencedframe, "
    "noembed, audio, track, animate, animateMotion, animateTransform, set, "
    "meta[http-equiv]:not([http-equiv=content-type i]), meta[name=referrer i]"
)
_EMPTY_IMAGE: Final = "data:,"
_PLACEHOLDER: Final = "data:image/svg+xml," + quote(
    "<svg xmlns='http://www.w3.org/2000/svg' width='120' height='60'>"
    "<rect x='.5' y='.5' width='99%' height='98%' fill='#8881' stroke='#8888' "
    "stroke-dasharray='4 3' vector-effect='non-scaling-stroke'/></svg>"
)
_PICTURES: Final = frozenset({"src", "background", "poster", "lowsrc"})
_LINKS: Final = frozenset({"href", "xlink:href"})
_DROPPED_ATTRIBUTES: Final = frozenset(
    [
        "action",
        "archive",
        "attributionsrc",
        "cite",
        "classid",
        "codebase",
        "data",
        "download",
        "dynsrc",
        "formaction",
        "imagesrcset",
        "longdesc",
        "manifest",
        "ping",
        "profile",
        "rel",
        "srcdoc",
        "target",
    ]
)
_INVERTED: Final = (
    "<style>html{background:#fff!important;filter:invert(1) hue-rotate(180deg)}"
    "img,video,picture,svg image,[background]{filter:invert(1) hue-rotate(180deg)}</style>"
)


class Scheme(Enum):
    """The color scheme of a mail."""

    LIGHT = "light"
    DARK = "dark"  # as designed by its author for dark clients
    INVERTED = "inverted"  # as in a client that darkens every mail


@dataclass(frozen=True, slots=True)
class Framed:
    """HTML for the frame."""

    html: str
    remote: int  # pictures of other hosts in it
    is_cut: bool  # the content is truncated


def frame_policy(*, shows_remote: bool) -> str:
    """Return the policy of the frame: only styles and images, no scripts."""
    return content_policy(
        sandbox="allow-popups allow-popups-to-escape-sandbox",
        style_src="'unsafe-inline'",
        img_src="data: https:" if shows_remote else "data:",
        frame_ancestors="'self'",
    )


def frame(
    mail: Mail, *, root: str = "", scheme: Scheme = Scheme.LIGHT, shows_remote: bool = False
) -> Framed:
    """Prepare a mail's HTML.

    Args:
        mail: The mail with its HTML and inline images.
        root: The base path of our pages.
        scheme: The colors.
        shows_remote: Whether to keep remote images (only https ones).
    """
    source = mail.html or ""
    kept = shallow(source[:_LONGEST])
    framing = _Framing(mail, root, scheme, shows_remote=shows_remote)
    html = _stable(framing, kept)
    doctype = _DOCTYPE.match(kept)
    if doctype:
        html = doctype[1] + html  # unchanged: it selects the browser's rendering mode
    if scheme is Scheme.INVERTED:
        html += _INVERTED
    return Framed(html, framing.remote, len(kept) < len(source))


def _stable(framing: _Framing, source: str) -> str:
    """Rewrite until the result parses to the same tree that was checked.

    Some markup changes its tree when it is serialized and parsed again (mutation XSS).
    """
    html = source
    for _ in range(_MOST_ROUNDS):
        parser = LexborHTMLParser(html)
        framing.rewrite(parser)
        html = (parser.html or "").removeprefix("<!DOCTYPE html>")
        again = (LexborHTMLParser(html).html or "").removeprefix("<!DOCTYPE html>")
        if again == html:
            break
    return html


class _Framing:
    """One mail being prepared for the frame."""

    def __init__(self, mail: Mail, root: str, scheme: Scheme, *, shows_remote: bool) -> None:
        self.remote = 0
        self._mail = mail
        self._leaving = f"{root}/leave?to="
        self._is_dark = scheme is Scheme.DARK
        self._shows_remote = shows_remote
        self._budget = _MOST_INLINE
        self._inlined: dict[str, str] = {}

    def rewrite(self, parser: LexborHTMLParser) -> None:
        for node in parser.css(_TAKEN_OUT):
            node.decompose()
        if parser.root is None:
            return
        for node in parser.root.traverse(include_text=False):
            if node.is_element_node:
                self._element(node)

    def _element(self, node: LexborNode) -> None:
        if node.tag == "style":
            node.inner_html = self._style(node.text_content or node.text())
        attributes = node.attributes
        if not attributes:
            return
        if node.tag == "meta" and (attributes.get("name") or "").lower() == "color-scheme":
            node.attrs["content"] = "dark" if self._is_dark else "light"
        for name in attributes:
            if name.lower().startswith("on") or name.lower() in _DROPPED_ATTRIBUTES:
                del node.attrs[name]
        for name, value in node.attributes.items():
            self._attribute(node, name, value or "")

    def _attribute(self, node: LexborNode, name: str, value: str) -> None:
        low = name.lower()
        if low in _LINKS:
            self._link(node, name, value)
        elif low in _PICTURES:
            node.attrs[name] = self._picture(value, _PLACEHOLDER)
        elif low == "srcset":
            self._set(node, name, value)
        elif low in {"style", "media"}:
            node.attrs[name] = self._style(value)

    def _link(self, node: LexborNode, name: str, value: str) -> None:
        target = _DROPPED.sub("", value)
        if target.startswith("#"):
            return
        if target.startswith(self._leaving) and node.tag in {"a", "area"}:  # already rewritten
            self._lead(node, target)
            return
        del node.attrs[name]
        if node.tag not in {"a", "area"}:
            if node.tag in {"image", "feimage"}:
                node.attrs[name] = self._picture(value, _PLACEHOLDER)
            return
        scheme = _SCHEME.match(target)
        if scheme and scheme[1].lower() in LEAVABLE:
            # Use one attribute for links: SVG's own is the older spelling.
            self._lead(node, f"{self._leaving}{quote(target, safe='')}")
            if "title" not in node.attributes:
                node.attrs["title"] = target

    def _lead(self, node: LexborNode, path: str) -> None:
        node.attrs["href"] = path
        node.attrs["target"] = "_blank"
        node.attrs["rel"] = "noopener noreferrer"

    def _set(self, node: LexborNode, name: str, value: str) -> None:
        """Keep ``srcset`` only if remote images are shown."""
        if not self._shows_remote:
            self.remote += node.tag == "source" and "//" in value
            del node.attrs[name]

    def _style(self, text: str) -> str:
        return rewrite_style(text, self._style_picture, is_dark=self._is_dark)

    def _style_picture(self, url: str) -> str:
        return self._picture(url, _EMPTY_IMAGE)

    def _picture(self, url: str, placeholder: str) -> str:
        """Return the replacement for an image."""
        target = _DROPPED.sub("", url)
        found = _SCHEME.match(target)
        scheme = found[1].lower() if found else ""
        if scheme == "data":
            return target
        if scheme == "cid":
            return self._inline(target[4:]) or placeholder
        if scheme not in {"http", "https"} and not target.startswith("//"):
            return placeholder if target else ""
        self.remote += 1
        return target if self._shows_remote and scheme == "https" else placeholder

    def _inline(self, content_id: str) -> str:
        if content_id not in self._inlined:
            self._inlined[content_id] = self._data_url(content_id)
        url = self._inlined[content_id]
        self._budget -= len(url)
        return url if self._budget >= 0 else ""

    def _data_url(self, content_id: str) -> str:
        part = self._mail.by_content_id(unquote(content_id))  # RFC 2392 §2
        if part is None or not part.media_type.startswith("image/") or part.size > self._budget:
            return ""
        return f"data:{part.media_type};base64,{base64.b64encode(part.content).decode()}"
