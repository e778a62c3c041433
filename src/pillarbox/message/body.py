"""Which parts of a message are its text, and which are attachments.

The rules are those of JMAP (RFC 8621 §4.1.4), which sum up what the major clients do: the plain and
the HTML alternative are a view each; parts beside them in a mixed multipart belong to both; an
inline image is part of the body; everything else is an attachment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from pillarbox.message.tree import Node

__all__ = ["Body", "is_media", "is_within_text", "outside_text", "referred_ids", "select_body"]

# Alternatives for other kinds of clients; they are not listed as files.
_FOR_OTHERS: Final = frozenset({"text/x-amp-html", "text/watch-html"})
_REFERENCE: Final = re.compile(r"""cid:([^\s"'<>)\\]{1,400})""", re.IGNORECASE)


class Body(Struct, frozen=True):
    """The parts of a message by how a client presents them."""

    text: tuple[Node, ...]  # shown by a reader without HTML, in this order
    html: tuple[Node, ...]  # shown by a reader with HTML
    attached: tuple[Node, ...]  # all others without parts


def select_body(root: Node) -> Body:
    """Choose the parts of the body.

    Args:
        root: The tree of the message.
    """
    if not root.is_multipart:
        if root.media_type.startswith(("text/", "multipart/")):
            return Body((root,), (root,), ())  # a single part is shown, whatever text it is
        if not root.disposition and not root.body_start < root.end:
            return Body((), (), ())
    views = _Views()
    views.sort((root,), "mixed", views.text, views.html)
    return Body(tuple(views.text), tuple(views.html), tuple(views.attached))


def is_media(part: Node) -> bool:
    """Whether clients show this type of part within the text."""
    return part.media_type.startswith(("image/", "audio/", "video/"))


def referred_ids(html: str) -> frozenset[str]:
    """Return the content ids that a page refers to by ``cid:`` (RFC 2392 §2)."""
    if "cid:" not in html and "CID:" not in html:
        return frozenset()
    return frozenset(unquote(found) for found in _REFERENCE.findall(html))


def outside_text(body: Body) -> tuple[Node, ...]:
    """Return all parts that are not body text, in order."""
    media = [part for part in (*body.text, *body.html) if is_media(part)]
    if not media:
        return body.attached
    by_number = {part.number: part for part in (*body.attached, *media)}
    return tuple(by_number[number] for number in sorted(by_number))


def is_within_text(part: Node, referred: Collection[str]) -> bool:
    """Whether a part is shown within the text; all others are listed as attachments.

    Args:
        part: One of ``outside_text``.
        referred: The content ids that the page refers to.
    """
    if part.content_id and part.content_id in referred:
        return True
    # As Apple does it: images between paragraphs of plain text. A related part without a reference
    # would be lost if it were not listed.
    return part.disposition == "inline" and is_media(part) and not part.content_id


class _Views:
    """The two views while they are built."""

    __slots__ = ("attached", "html", "text")

    def __init__(self) -> None:
        self.text: list[Node] = []
        self.html: list[Node] = []
        self.attached: list[Node] = []

    def sort(
        self,
        parts: Sequence[Node],
        kind: str,
        text: list[Node] | None,
        html: list[Node] | None,
        *,
        first: int = 0,
        in_alternative: bool = False,
    ) -> None:
        """Sort the parts of one multipart; the recursion is bounded by the tree's depth limit.

        Args:
            parts: The parts.
            kind: The multipart's subtype.
            text: The view without HTML; None where the parts have no place in it.
            html: The view with HTML; None likewise.
            first: The index of the root part, for a related multipart.
            in_alternative: Whether an outer multipart is an alternative.
        """
        before = len(text or ()), len(html or ())
        for place, part in enumerate(parts):
            if part.is_multipart:
                inner = part.media_type[10:]
                self.sort(
                    part.children, inner, text, html,
                    first=_first(part),
                    in_alternative=in_alternative or inner == "alternative",
                )  # fmt: skip
            elif part.media_type.startswith("multipart/") and part.body_start >= part.end:
                continue  # an empty multipart
            elif kind == "alternative" and part.media_type in _FOR_OTHERS:
                continue
            elif not _is_shown(part, kind, is_first=place == first):
                self.attached.append(part)
            elif kind == "alternative":
                self._choose(part, text, html)
            else:
                if in_alternative and part.media_type == "text/plain":
                    html = None
                elif in_alternative and part.media_type == "text/html":
                    text = None
                self._show(part, text, html)
        if kind == "alternative" and text is not None and html is not None:
            _even_out(text, html, *before)

    def _choose(self, part: Node, text: list[Node] | None, html: list[Node] | None) -> None:
        """Add an alternative to its view."""
        view = {"text/plain": text, "text/html": html}.get(part.media_type)
        (self.attached if view is None else view).append(part)

    def _show(self, part: Node, text: list[Node] | None, html: list[Node] | None) -> None:
        for view in (text, html):
            if view is not None:
                view.append(part)
        if (text is None or html is None) and is_media(part):
            self.attached.append(part)


def _first(multipart: Node) -> int:
    """Return the index of the root part (RFC 2387 §3.2)."""
    wanted = multipart.parameters.get("start", "").strip("<> ")
    places = (n for n, part in enumerate(multipart.children) if part.content_id == wanted)
    return next(places, 0) if wanted else 0


def _is_shown(part: Node, kind: str, *, is_first: bool) -> bool:
    if part.disposition == "attachment":
        return False
    if is_media(part):
        return is_first or kind != "related"
    if part.media_type not in {"text/plain", "text/html"}:
        return False
    # Beside others, a text with a name is a file; only the first related part is shown.
    return is_first or (kind != "related" and not part.filename)


def _even_out(text: list[Node], html: list[Node], text_before: int, html_before: int) -> None:
    """Fill a view that had no alternative from the other one."""
    if len(text) == text_before:
        text.extend(html[html_before:])
    elif len(html) == html_before:
        html.extend(text[text_before:])
