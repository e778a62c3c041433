"""Reads the catalog from the files beside this module, once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pillarbox.diagnosis.entry import Certainty, Entry, Fault, Lasting, Pattern
from pillarbox.diagnosis.observation import Source
from pillarbox.diagnosis.phrase import Phrase
from pillarbox.smtp.client_outcome import Stage

__all__ = ["catalog", "entry_of"]

_ENTRY_KEYS: Final = frozenset(
    [
        "id",
        "class",
        "title",
        "stage",
        "fault",
        "lasting",
        "why",
        "now",
        "for_good",
        "source",
        "provider",
        "hard",
        "since",
        "until",
        "patterns",
    ]
)
_PATTERN_KEYS: Final = frozenset(["code", "enhanced", "text", "stage", "provider", "kind", "sure"])


@cache
def catalog() -> tuple[Entry, ...]:
    """Return all entries, in the order of the files' names and of each file."""
    folder = files("pillarbox.diagnosis.catalog")
    names = sorted(found.name for found in folder.iterdir() if found.name.endswith(".toml"))
    return tuple(
        entry_of(table)
        for name in names
        for table in tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8"))["entry"]
    )


def entry_of(table: Mapping[str, Any]) -> Entry:
    """Return the entry that a table of the catalog describes.

    Raises:
        KeyError: Something is missing, or is not known.
        ValueError: A word is none of those that are known.
    """
    if unknown := table.keys() - _ENTRY_KEYS:
        raise KeyError(f"{table['id']}: {sorted(unknown)}")
    return Entry(
        id=table["id"],
        kind=table.get("class", table["id"]),
        title=table["title"],
        stage=Stage(table["stage"]) if "stage" in table else None,
        fault=Fault[table["fault"].upper()],
        lasting=Lasting[table["lasting"].upper()],
        why=table["why"],
        now=table["now"],
        for_good=table["for_good"],
        sources=tuple(table["source"]),
        provider=table.get("provider", ""),
        is_hard=table.get("hard", False),
        since=table.get("since"),
        until=table.get("until"),
        patterns=tuple(_pattern(table["id"], pattern) for pattern in table["patterns"]),
    )


def _pattern(entry: str, table: Mapping[str, Any]) -> Pattern:
    if unknown := table.keys() - _PATTERN_KEYS:
        raise KeyError(f"{entry}: {sorted(unknown)}")
    return Pattern(
        codes=frozenset(table.get("code", ())),
        enhanced=frozenset(table.get("enhanced", ())),
        phrases=tuple(map(Phrase.of, table.get("text", ()))),
        stages=frozenset(map(Stage, table.get("stage", ()))),
        providers=frozenset(table.get("provider", ())),
        sources=frozenset(Source[kind.upper()] for kind in table.get("kind", ())),
        certainty=Certainty[table["sure"].upper()] if "sure" in table else None,
    )
