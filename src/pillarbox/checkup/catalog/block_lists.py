"""The block lists to query for a domain and its sending addresses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["BlockList", "block_lists"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """One list."""

    zone: str
    name: str
    of: str  # "addresses" or "domains"
    weight: str  # "heavy": large receivers refuse by it; "light"
    delist: str  # the page where one gets off
    terms: str
    meanings: Mapping[str, str]  # of its answers


@cache
def block_lists() -> tuple[BlockList, ...]:
    """Return all lists that are asked."""
    text = (
        files("pillarbox.checkup.catalog").joinpath("block_lists.toml").read_text(encoding="utf-8")
    )
    return tuple(BlockList(**row) for row in tomllib.loads(text)["list"])
