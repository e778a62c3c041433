"""What hosting providers do with outgoing port 25, and at which of them this machine is hosted."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

__all__ = ["Hosting", "hosting_of", "hostings", "this_machine"]

_FIRMWARE: Final = Path("/sys/class/dmi/id")
_FILES: Final = ("sys_vendor", "product_name", "chassis_asset_tag", "bios_vendor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """One provider."""

    id: str
    name: str
    marks: tuple[str, ...]  # of the firmware, in lower case
    policy: str  # what it does with port 25
    unblock: str  # how to have that lifted; "" where there is no way
    open: tuple[int, ...]  # ports for submission that are known to be open
    sure: str  # "high", "medium" or "low"
    source: str


@cache
def hostings() -> tuple[Hosting, ...]:
    """Return all providers that are known."""
    text = files("pillarbox.checkup.catalog").joinpath("hosting.toml").read_text(encoding="utf-8")
    return tuple(
        Hosting(**{**row, "marks": tuple(row["marks"]), "open": tuple(row["open"])})
        for row in tomllib.loads(text)["provider"]
    )


def hosting_of(words: Iterable[str]) -> Hosting | None:
    """Return the provider whose marks stand at the beginning of one of some words."""
    flat = [word.strip().lower() for word in words]
    for provider in hostings():
        if any(word.startswith(provider.marks) for word in flat):
            return provider
    return None


def this_machine(folder: Path = _FIRMWARE) -> Hosting | None:
    """Return the provider that this machine's firmware names, None for none that is known."""
    words = []
    for name in _FILES:
        try:
            words.append((folder / name).read_text(errors="replace"))
        except OSError:
            continue
    return hosting_of(words)
