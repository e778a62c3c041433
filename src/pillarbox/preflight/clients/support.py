"""The tests of caniemail.com, joined with what a page uses.

The facts are in ``caniemail.json`` (MIT, see ``LICENSE.caniemail``), read once, when the first
page is judged. How many people use a client is not among them, and is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from msgspec import Struct

from pillarbox.preflight.assessment import ClientSupport, ClientTally, FeatureUse, Support
from pillarbox.preflight.clients.traces import page_traces
from pillarbox.preflight.clients.triggers import features_by_trace
from pillarbox.preflight.page import Page

__all__ = ["Client", "Feature", "client_support", "clients", "features", "used_features"]

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
    notes: dict[str, str]


@cache
def _facts() -> tuple[tuple[Client, ...], dict[str, Feature]]:
    octets = files("pillarbox.preflight.clients").joinpath("caniemail.json").read_bytes()
    read = msgspec.json.decode(octets)
    known = tuple(Client(*row) for row in read["clients"])
    return known, {row["slug"]: _feature(row, known) for row in read["features"]}


def _feature(row: dict[str, Any], known: tuple[Client, ...]) -> Feature:
    letters = zip(known, row["support"], strict=True)
    return Feature(
        slug=row["slug"],
        title=row["title"],
        category=row["category"],
        support={client.name: _LETTERS[letter] for client, letter in letters},
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
    slugs = _slugs()
    used: dict[str, list[int]] = {}
    for name, line in page_traces(page):
        for slug in slugs.get(name, ()):
            used.setdefault(slug, []).append(line)
    return used


def client_support(page: Page) -> ClientSupport:
    """Return what the clients make of a page."""
    uses = [_use(features()[slug], lines) for slug, lines in used_features(page).items()]
    uses.sort(key=lambda use: (-_badness(use), use.slug))
    return ClientSupport(
        clients=tuple(_tally(client, uses) for client in clients()), features=tuple(uses)
    )


def _use(feature: Feature, lines: list[int]) -> FeatureUse:
    known = sorted({line for line in lines if line})[:_MAX_LINES]
    return FeatureUse(
        slug=feature.slug,
        title=feature.title,
        category=feature.category,
        count=len(lines),
        lines=tuple(known),
        support={name: word for name, word in feature.support.items() if word is not Support.YES},
        notes=feature.notes,
    )


def _badness(use: FeatureUse) -> int:
    words = list(use.support.values())
    return 2 * words.count(Support.NO) + words.count(Support.PARTLY)


def _tally(client: Client, uses: Iterable[FeatureUse]) -> ClientTally:
    words = [use.support.get(client.name, Support.YES) for use in uses]
    return ClientTally(
        name=client.name,
        family=client.family,
        platform=client.platform,
        yes=words.count(Support.YES),
        partly=words.count(Support.PARTLY),
        no=words.count(Support.NO),
        unknown=words.count(Support.UNKNOWN),
    )
