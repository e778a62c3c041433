"""Joins the tests of caniemail.com with the features that a page uses.

The data is in ``caniemail.json`` (MIT, see ``LICENSE.caniemail``), read once, when the first page
is judged. How many people use a client is not part of it, and is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from msgspec import Struct

from pillarbox.preflight.assessment import ClientSupport, ClientTally, FeatureUse, Support
from pillarbox.preflight.clients.traces import IMPLIED, name_traces, value_traces
from pillarbox.preflight.clients.triggers import features_by_trace
from pillarbox.preflight.page import Page
from pillarbox.preflight.style import Style, read_attribute, read_sheet

__all__ = [
    "Client",
    "Feature",
    "client_support",
    "clients",
    "features",
    "join_uses",
    "used_features",
]

_LETTERS: Final = {
    "y": Support.YES,
    "a": Support.PARTLY,
    "n": Support.NO,
    "u": Support.UNKNOWN,
}
_MAX_LINES: Final = 5  # of one feature


class Client(Struct, frozen=True):
    """One client on one platform."""

    name: str  # "gmail.ios"
    family: str
    platform: str


class Feature(Struct, frozen=True):
    """What is known of one feature."""

    slug: str
    title: str
    category: str
    support: dict[str, Support]  # by the name of the client
    lacks: dict[str, Support]  # the same, without those that support it
    notes: dict[str, str]


@cache
def _facts() -> tuple[tuple[Client, ...], dict[str, Feature]]:
    octets = files("pillarbox.preflight.clients").joinpath("caniemail.json").read_bytes()
    read = msgspec.json.decode(octets)
    known = tuple(Client(*row) for row in read["clients"])
    return known, {row["slug"]: _feature(row, known) for row in read["features"]}


def _feature(row: dict[str, Any], known: tuple[Client, ...]) -> Feature:
    letters = zip(known, row["support"], strict=True)
    support = {client.name: _LETTERS[letter] for client, letter in letters}
    return Feature(
        slug=row["slug"],
        title=row["title"],
        category=row["category"],
        support=support,
        lacks={name: word for name, word in support.items() if word is not Support.YES},
        notes={client: text for text, *who in row.get("notes", ()) for client in who},
    )


@cache
def _slugs() -> dict[str, tuple[str, ...]]:
    return features_by_trace(features())


def clients() -> tuple[Client, ...]:
    """Return the clients that were tested, the best known families first."""
    return _facts()[0]


def features() -> dict[str, Feature]:
    """Return the features that were tested, by their names on the site."""
    return _facts()[1]


def used_features(page: Page) -> dict[str, list[int]]:
    """Return the features that a page uses, each with the line of every use (0: not known)."""
    used: dict[str, list[int]] = {}

    def use(slugs: Iterable[str], line: int) -> None:
        for slug in slugs:
            if slug in used:
                used[slug].append(line)
            else:
                used[slug] = [line]

    use(_slugs_of(("doctype",) if page.has_doctype else ()), 1)
    use(_slugs_of(("comment",) if page.has_comments else ()), 0)
    for line, sheet in page.styles:
        for slug, offset in _of_sheet(sheet):
            use((slug,), line + offset if line else 0)
    for element in page.elements:
        line, attributes = element.line, element.attributes
        if line or element.tag not in IMPLIED:
            use(_of_names(element.tag, tuple(attributes)), line)
        use(_slugs_of(value_traces(element)), line)
        if style := attributes.get("style"):
            for slug, offset in _of_style(style):
                use((slug,), line + offset if line else 0)
    return used


def _slugs_of(traces: Iterable[str]) -> Iterator[str]:
    slugs = _slugs()
    for trace in traces:
        yield from slugs.get(trace, ())


# Pages repeat the same elements and styles over and over, and so do the mails of one program.
@lru_cache(maxsize=4_096)
def _of_names(tag: str, attributes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_slugs_of(name_traces(tag, attributes)))


@lru_cache(maxsize=2_048)
def _of_style(style: str) -> tuple[tuple[str, int], ...]:
    return _in_style(read_attribute(style))


@lru_cache(maxsize=64)
def _of_sheet(sheet: str) -> tuple[tuple[str, int], ...]:
    return _in_style(read_sheet(sheet))


def _in_style(style: Style) -> tuple[tuple[str, int], ...]:
    """Return the features of a style, with the lines behind its first on which they stand."""
    return tuple(
        dict.fromkeys(
            (slug, trace.line - 1) for trace in style.traces for slug in _slugs_of((trace.name,))
        )
    )


def client_support(page: Page) -> ClientSupport:
    """Return what the clients make of a page."""
    return join_uses(
        (slug, len(lines), tuple(sorted({line for line in lines if line})[:_MAX_LINES]))
        for slug, lines in used_features(page).items()
    )


def join_uses(uses: Iterable[tuple[str, int, tuple[int, ...]]]) -> ClientSupport:
    """Return what the clients make of features.

    Args:
        uses: Each feature, how often it is used, and on which lines.
    """
    joined = [_use(features()[slug], count, lines) for slug, count, lines in uses]
    joined.sort(key=lambda use: (-_badness(use), use.slug))
    return ClientSupport(
        clients=tuple(_tally(client, joined) for client in clients()), features=tuple(joined)
    )


def _use(feature: Feature, count: int, lines: tuple[int, ...]) -> FeatureUse:
    return FeatureUse(
        slug=feature.slug,
        title=feature.title,
        category=feature.category,
        count=count,
        lines=lines,
        support=feature.lacks,
        notes=feature.notes,
    )


def _badness(use: FeatureUse) -> int:
    words = list(use.support.values())
    return 2 * words.count(Support.NO) + words.count(Support.PARTLY)


def _tally(client: Client, uses: Sequence[FeatureUse]) -> ClientTally:
    words = [use.support[client.name] for use in uses if client.name in use.support]
    return ClientTally(
        name=client.name,
        family=client.family,
        platform=client.platform,
        yes=len(uses) - len(words),
        partly=words.count(Support.PARTLY),
        no=words.count(Support.NO),
        unknown=words.count(Support.UNKNOWN),
    )
