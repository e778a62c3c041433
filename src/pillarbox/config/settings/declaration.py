"""How a setting is declared: a field with its documentation and unit."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Any

__all__ = ["Unit", "setting"]


class Unit(Enum):
    """How a number may be written in the file."""

    SECONDS = "duration"  # 30, "30 s", "5 min", "4 h", "5 d"
    OCTETS = "size"  # 1024, "64 KiB", "25 MiB"


def setting(
    doc: str,
    default: Any = ...,
    *,
    factory: Any = None,
    unit: Unit | None = None,
    secret: bool = False,
) -> Any:
    """Declare a field with its documentation; without a default the key is required.

    A secret is left out where settings are printed, as in a traceback.
    """
    metadata = {"doc": doc, "unit": unit, "secret": secret}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata, repr=not secret)
    if default is ...:
        return field(metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)
