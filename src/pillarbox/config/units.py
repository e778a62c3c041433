"""Durations and sizes as people write them: ``"5 min"``, ``"1.5 h"``, ``"64 KiB"``, ``300``."""

from __future__ import annotations

import math
import re
from typing import Final

from pillarbox.config.settings import Unit

__all__ = ["EXAMPLES", "parse_quantity", "show_quantity"]

_SECONDS: Final[dict[str, float]] = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "min": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "w": 7 * 86_400.0,
}
_OCTETS: Final[dict[str, float]] = {
    "b": 1,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "tb": 1e12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)
_LIMIT: Final = 2**53
EXAMPLES: Final = {Unit.SECONDS: '300, "5 min" or "4 h"', Unit.OCTETS: '65536, "64 KiB" or "25 MB"'}


def parse_quantity(text: str, unit: Unit) -> float | None:
    """Return seconds or octets, or None where the text is neither a number nor one with a unit.

    Units may be in any case: ms, s, min, h, d, w; B, KB, MB, GB, TB (powers of 1000),
    KiB, MiB, GiB, TiB (powers of 1024). Without one, seconds or octets are meant.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        return None
    factor = _factors(unit).get(match[2].lower(), 1.0 if not match[2] else None)
    if factor is None:
        return None
    value = float(match[1]) * factor
    return value if math.isfinite(value) and value < _LIMIT else None


def show_quantity(value: float, unit: Unit) -> str:
    """Return the shortest way to write a quantity: 5400.0 as ``90 min``, 65536 as ``64 KiB``."""
    if value == 0:
        return "0"
    if unit is Unit.SECONDS:
        names = {"d": 86_400.0, "h": 3_600.0, "min": 60.0, "s": 1.0}
        fallback = f"{value:g} s"
    else:
        names = {"GiB": 2.0**30, "MiB": 2.0**20, "KiB": 2.0**10}
        fallback = f"{value:.0f} B"
    for name, factor in names.items():
        if value % factor == 0:
            return f"{value / factor:.0f} {name}"
    return fallback


def _factors(unit: Unit) -> dict[str, float]:
    return _SECONDS if unit is Unit.SECONDS else _OCTETS
