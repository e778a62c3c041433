"""Rules for links: hosts that readers cannot reach, disguises, dead links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.findings import Level
from pillarbox.policy.public_addresses import read_host
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.hosts import (
    SHORTENERS,
    is_development,
    is_example,
    is_internal,
    organization,
)
from pillarbox.preflight.letter import Letter, Reference, judged

__all__ = ["RULES"]

_WEB: Final = frozenset({"http", "https"})
_OTHERS: Final = frozenset(
    [
        "mailto",
        "tel",
        "sms",
        "cid",
        "data",
        "webcal",
        "xmpp",
        "sip",
        "sips",
        "geo",
        "maps",
        "urn",
        "about",
        "callto",
        "skype",
        "whatsapp",
        "tg",
        "itms-apps",
        "market",
        "ftp",
        "news",
        "mid",
    ]
)
_MANY: Final = 100
_SHOWN_HOST: Final = re.compile(
    r"(?:(https?)://)?((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,18})(?=$|[/:?#\s])", re.IGNORECASE
)
_FILES: Final = frozenset(["html", "htm", "pdf", "zip", "txt", "doc", "js", "py", "sh", "md"])
_MARK: Final = re.compile(r"\{\{|\$\{|\*\||%%|<%|\[\[|%[A-Z][A-Z0-9_]{2,}%|\{%")
_MOST: Final = 5
_CONFUSABLE: Final = re.compile(r"xn--")


def _internal(letter: Letter) -> Iterator[Judged]:
    found = [one for one in _of_web(letter) if is_internal(one.host)]
    is_rehearsal = letter.facts.is_rehearsal  # where the program runs on the author's machine
    yield from _say(
        found,
        Level.WARNING if is_rehearsal else Level.ERROR,
        301,
        "points to a host that readers cannot reach",
        "The name or address exists only on your machine or network.",
        "This is fine while you test here. In production, set the program's base URL to its "
        "public address."
        if is_rehearsal
        else "Set your program's base URL to its public address.",
        tenths=5 if is_rehearsal else 15,
    )


def _relative(letter: Letter) -> Iterator[Judged]:
    found = [
        one
        for one in letter.references
        if one.kind != "text"
        and one.url
        and not one.scheme
        and one.url[0] != "#"
        and not _MARK.search(one.url)
        and not _has_base(letter)
    ]
    yield from _say(
        found,
        Level.ERROR,
        302,
        "has no scheme such as https",
        "A message has no page that the link could be relative to, so it leads nowhere.",
        "Write the whole URL, beginning with https://",
        tenths=10,
    )


def _has_base(letter: Letter) -> bool:
    return letter.page is not None and letter.page.first("base") is not None


def _unreadable(letter: Letter) -> Iterator[Judged]:
    found = [
        one
        for one in letter.references
        if (not one.is_address or (one.scheme in _WEB and not one.host))
        and not _MARK.search(one.url)
    ]
    yield from _say(
        found,
        Level.ERROR,
        303,
        "is no address",
        "Nothing happens when a reader follows it.",
        "Check how your program builds the URL.",
        tenths=7,
    )


def _empty(letter: Letter) -> Iterator[Judged]:
    found = [
        one
        for one in letter.references
        if one.kind == "link" and one.url in {"", "#"} and (one.text or one.has_images)
    ]
    yield from _say(
        found,
        Level.WARNING,
        304,
        "leads nowhere (its URL is empty or “#”)",
        "A reader clicks, and nothing happens.",
        "Give it a URL, or make it plain text.",
        tenths=3,
    )


def _disguised(letter: Letter) -> Iterator[Judged]:
    found = [one for one in _of_web(letter) if one.kind == "link" and _shows_another(one)]
    yield from _say(
        found,
        Level.WARNING,
        305,
        "shows a different address than it leads to",
        "Phishing does this; filters and mail programs warn about it.",
        "Show words instead of an address, or link to the address shown. For click tracking, use "
        "a host name under your own domain.",
        tenths=5,
    )


def _shows_another(link: Reference) -> bool:
    found = _SHOWN_HOST.match(link.text)
    if found is None or "@" in link.text:
        return False
    shown = found[2].lower()
    is_file = found[1] is None and shown.rpartition(".")[2] in _FILES
    return not is_file and organization(shown) != organization(link.host)


def _shortened(letter: Letter) -> Iterator[Judged]:
    found = [one for one in _of_web(letter) if one.host.removeprefix("www.") in SHORTENERS]
    yield from _say(
        found,
        Level.WARNING,
        306,
        "is a shortened URL",
        "Spammers hide behind URL shorteners, so whole services are on block lists.",
        "Link to the final URL.",
        tenths=5,
    )


def _numeric(letter: Letter) -> Iterator[Judged]:
    found = [
        one
        for one in _of_web(letter)
        if read_host(one.host) is not None and not is_internal(one.host)
    ]
    yield from _say(
        found,
        Level.WARNING,
        307,
        "names a host by its IP address",
        "Legitimate senders use host names, so filters count it.",
        "Give the host a name, and use it in the link.",
        tenths=5,
    )


def _with_user(letter: Letter) -> Iterator[Judged]:
    found = [one for one in _of_web(letter) if one.has_user]
    yield from _say(
        found,
        Level.WARNING,
        308,
        "has a user name before its host",
        "“https://bank.example@evil.example” leads to evil.example, and filters know the trick.",
        "Remove everything before the @, and the @ itself.",
        tenths=5,
    )


def _not_public(letter: Letter) -> Iterator[Judged]:
    of_web = [one for one in _of_web(letter) if not is_internal(one.host)]
    author = letter.mail.from_[0].address.rpartition("@")[2] if letter.mail.from_ else ""
    yield from _say(
        [one for one in of_web if is_development(one.host, author)],
        Level.WARNING,
        309,
        "looks like a link to a development machine",
        "Readers should get links to the public site.",
        "Set your program's base URL for each environment.",
        tenths=3,
    )
    yield from _say(
        [one for one in of_web if is_example(one.host)],
        Level.NOTE,
        310,
        "leads to a domain reserved for examples",
        "Fine in a test; readers find nothing there.",
        "Use your own domain before it goes out.",
    )


def _clear(letter: Letter) -> Iterator[Judged]:
    found = [one for one in _of_web(letter) if one.scheme == "http" and not is_internal(one.host)]
    yield from _say(
        found,
        Level.NOTE,
        311,
        "is http, not https",
        "Browsers warn about it, and anybody on the path can read and change the page.",
        "Use https.",
    )


def _strange(letter: Letter) -> Iterator[Judged]:
    yield from _say(
        [
            one
            for one in letter.references
            if one.kind == "link"
            and one.scheme
            and one.scheme not in _WEB | _OTHERS
            and one.scheme not in {"javascript", "vbscript"}
            and not _MARK.search(one.url)
        ],
        Level.NOTE,
        312,
        "has a scheme that many mail programs do not follow",
        "Webmail removes links that are not http, https, mailto or tel.",
        "Link to an https page that opens the program.",
    )
    yield from _say(
        [one for one in _of_web(letter) if _CONFUSABLE.search(one.host)],
        Level.NOTE,
        313,
        "names a host with non-ASCII letters (xn--)",
        "Some letters look alike; mail programs may show the encoded name.",
        "Fine if the domain is yours.",
    )


def _many(letter: Letter) -> Iterator[Judged]:
    links = {one.url for one in letter.links if one.scheme in _WEB}
    if len(links) > _MANY:
        yield judged(
            Aspect.LINKS,
            Level.NOTE,
            314,
            f"There are {len(links)} different links",
            "Filters distrust messages that are mostly links.",
            "Link only to what matters.",
        )


def _of_web(letter: Letter) -> list[Reference]:
    return [
        one
        for one in letter.references
        if one.scheme in _WEB and one.host and not _MARK.search(one.host)
    ]


def _say(
    found: list[Reference],
    level: Level,
    number: int,
    what: str,
    why: str,
    fix: str,
    *,
    tenths: int = 0,
) -> Iterator[Judged]:
    """Say one thing of all that it holds for."""
    # Of the same address in HTML and text, the one whose line is known.
    different = list({one.url: one for one in reversed(found)}.values())[::-1]
    if not different:
        return
    noun = "image" if all(one.kind == "resource" for one in different) else "link"
    subject = f"A {noun}" if len(different) == 1 else f"Each of {len(different)} {noun}s"
    subject = subject.replace("A image", "An image")
    yield judged(
        Aspect.LINKS,
        level,
        number,
        f"{subject} {what}",
        why,
        fix,
        tenths=tenths,
        evidence=tuple(one.shown for one in different[:_MOST]),
        lines=tuple(one.line for one in found),
    )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _internal,
    _relative,
    _unreadable,
    _empty,
    _disguised,
    _shortened,
    _numeric,
    _with_user,
    _not_public,
    _clear,
    _strange,
    _many,
)
