"""The effective configuration: every value and its source; secrets are masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from pillarbox.config.loader import Address, Loaded, show_address
from pillarbox.config.schema import SECTIONS, Key
from pillarbox.config.units import show_quantity
from pillarbox.policy.masked_url import masked_url

__all__ = ["Effective", "effective", "toml_value"]

_MASK: Final = '"***"'


@dataclass(frozen=True, slots=True)
class Effective:
    """One value that is in force."""

    address: Address
    value: str  # as it would be written in the file; "" where there is none
    origin: str
    is_default: bool

    @property
    def key(self) -> str:
        """The key as it is written in the file."""
        return show_address(self.address)


def effective(loaded: Loaded) -> Iterator[Effective]:
    """Yield every value in the order of the reference."""
    for section in SECTIONS.values():
        table: Any = getattr(loaded.settings, section.name)
        named = table.items() if section.is_named else (("", table),)
        for name, owner in named:
            prefix = (section.name, name) if section.is_named else (section.name,)
            for key in section.keys.values():
                address = (*prefix, key.name)
                value = getattr(owner, key.name)
                is_hidden = key.is_secret and _is_telling(value)
                shown = _MASK if is_hidden else toml_value(_shown(value), key)
                is_default = address not in loaded.origins
                yield Effective(address, shown, loaded.origin(address), is_default)


def _is_telling(value: object) -> bool:
    """Whether a secret key's value holds a secret; ``sqlite:pillarbox.db`` does not."""
    text = str(value)
    return bool(text) and not text.startswith(("sqlite:", "memory:"))


def _shown(value: object) -> object:
    """Return a value without what a URL in it would let somebody in by."""
    return masked_url(value) if isinstance(value, str) else value


def toml_value(value: object, key: Key) -> str:
    """Return a value as it is written in the file; "" where None is its default."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        return _text(str(value.value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, int | float) and key.unit is not None:
        shown = show_quantity(value, key.unit)
        return shown if shown.isdigit() else _text(shown)
    if isinstance(value, str | Path):
        return _text(str(value))
    return str(value)


def _text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
