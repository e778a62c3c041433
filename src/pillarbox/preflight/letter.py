"""The message as the rules see it: parsed once, used by all of them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from pillarbox.findings import Finding, Level
from pillarbox.message.header import Header
from pillarbox.message.mail import Mail
from pillarbox.preflight.assessment import Aspect, ClientSupport, Judged
from pillarbox.preflight.clients.support import client_support
from pillarbox.preflight.facts import Facts
from pillarbox.preflight.page import Element, Page, read_page
from pillarbox.preflight.style import read_attribute

__all__ = ["Letter", "Reference", "excerpt", "judged", "open_letter", "plural", "web_links"]

_MAX_REFERENCES: Final = 2_000
_MAX_TEXT: Final = 256 * 1024  # characters of the plain text that are looked at
_EXCERPT: Final = 40  # characters on each side
_URL: Final = re.compile(r"\bhttps?://[^\s<>\"'\]\[{}|\\^`]{1,2000}", re.IGNORECASE)
_WEB: Final = frozenset({"http", "https"})
_TRAILING: Final = ".,;:!?)'*_"
_LINKS: Final = {"a": "href", "area": "href"}
_RESOURCES: Final = {
    "img": ("src",),
    "source": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "input": ("src",),
    "body": ("background",),
    "table": ("background",),
    "td": ("background",),
    "th": ("background",),
}


class Reference(Struct, frozen=True, kw_only=True):
    """Something that the mail points to."""

    url: str  # without outer blanks
    kind: str  # "link" of the HTML, "resource" (image or other) of it, "text" of the plain text
    scheme: str  # in lower case, "" without one
    host: str  # in lower case, decoded, without the last dot; "" without one
    has_user: bool  # whether a user stands before the host
    is_address: bool  # False where nothing can be made of it
    line: int = 0  # of the HTML, from 1; 0 where it is not known, or it is in the text
    text: str = ""  # what is shown for a link
    has_images: bool = False  # whether a link holds images

    @property
    def shown(self) -> str:
        """It as evidence."""
        where = f"HTML line {self.line}: " if self.line else ""
        url = self.url if len(self.url) <= 120 else f"{self.url[:119]}…"  # noqa: PLR2004 - a line
        return f"{where}{url or '(empty)'}" + (f" “{self.text[:40]}”" if self.text else "")


def _reference(url: str, kind: str, element: Element | None = None) -> Reference:
    url = url.strip()
    line, text = (element.line, element.text) if element is not None else (0, "")
    has_images = element is not None and bool(element.images)
    try:
        parts = urlsplit(url)
        host = unquote(parts.hostname or "").lower().rstrip(".")
        _ = parts.port
    except ValueError:
        return Reference(
            url=url, kind=kind, scheme="", host="", has_user=False, is_address=False, line=line,
            text=text, has_images=has_images,
        )  # fmt: skip
    return Reference(
        url=url, kind=kind, scheme=parts.scheme, host=host, has_user="@" in parts.netloc,
        is_address=True, line=line, text=text, has_images=has_images,
    )  # fmt: skip


class Letter(Struct, frozen=True, eq=False, kw_only=True):
    """A mail, taken apart for the rules."""

    mail: Mail
    raw: bytes
    header: Header
    facts: Facts
    page: Page | None  # the HTML, where there is any
    clients: ClientSupport  # of what the HTML uses
    text: str  # the plain text, "" without one
    references: tuple[Reference, ...]

    @property
    def links(self) -> tuple[Reference, ...]:
        """What a reader can follow."""
        return tuple(one for one in self.references if one.kind != "resource")

    @property
    def prose(self) -> str:
        """All that is read: the text of the HTML, or else the plain text."""
        return self.page.text if self.page is not None else self.text

    def field(self, name: bytes) -> str | None:
        """Return the first field of a name, unfolded, as text for eyes; None without one."""
        value = self.header.get(name)
        return None if value is None else value.decode("utf-8", "replace")


def open_letter(mail: Mail, raw: bytes, facts: Facts) -> Letter:
    """Take a mail apart."""
    page = read_page(mail.html) if mail.html else None
    text = (mail.text or "")[:_MAX_TEXT]
    references = [*_of_page(page), *_of_text(text)] if page else _of_text(text)
    return Letter(
        mail=mail,
        raw=raw,
        header=mail.tree.header,
        facts=facts,
        page=page,
        clients=client_support(page) if page is not None else ClientSupport(),
        text=text,
        references=tuple(references[:_MAX_REFERENCES]),
    )


def _of_page(page: Page) -> list[Reference]:
    found = []
    for element in page.elements:
        name = _LINKS.get(element.tag)
        if name is not None and (url := element.attributes.get(name)) is not None:
            found.append(_reference(url, "link", element))
        for attribute in _RESOURCES.get(element.tag, ()):
            if (url := element.attributes.get(attribute)) is not None:
                found.append(_reference(url, "resource", element))
        if style := element.attributes.get("style"):
            found += [_reference(url, "resource", element) for url in read_attribute(style).urls]
    return found


def _of_text(text: str) -> list[Reference]:
    return [_reference(found[0].rstrip(_TRAILING), "text") for found in _URL.finditer(text)]


def web_links(mail: Mail) -> tuple[str, ...]:
    """Return the http and https addresses that a reader can follow, each once."""
    page = read_page(mail.html) if mail.html else None
    references = [*(_of_page(page) if page is not None else ()), *_of_text(mail.text or "")]
    found = (one.url for one in references if one.kind != "resource" and one.scheme in _WEB)
    return tuple(dict.fromkeys(found))


def judged(
    aspect: Aspect,
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
    """Return a finding of an aspect; ``number`` becomes its code, such as PB-MAIL-201."""
    finding = Finding(
        level=level,
        code=f"PB-MAIL-{number:03}",
        what=what,
        why=why,
        fix=fix,
        evidence=evidence,
    )
    places = tuple(sorted({line for line in lines if line}))
    return Judged(aspect=aspect, finding=finding, tenths=tenths, lines=places)


def excerpt(text: str, start: int, end: int) -> str:
    """Return what stands around a place of a text, in one line."""
    before, after = max(start - _EXCERPT, 0), end + _EXCERPT
    words = " ".join(text[before:after].split())
    return f"{'…' if before else ''}{words}{'…' if after < len(text) else ''}"


def plural(count: int, noun: str) -> str:
    """Return ``1 image``, ``2 images``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
