"""The schema of the configuration, derived once from the types of ``settings``.

The loader, the check, the reference and the starter file all use this one list, so that none of
them can know a key that the others do not.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pillarbox.config.settings import Settings, Unit

__all__ = ["SECTIONS", "Key", "Section"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a section."""

    name: str
    type: type  # str, int, float, bool, Path, tuple, or an enum
    is_optional: bool  # None is what it is where nobody says otherwise
    is_required: bool
    default: object  # None where it is required
    unit: Unit | None
    is_secret: bool
    doc: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that may be given, where the type is a closed set."""
        return tuple(str(item.value) for item in self.type) if issubclass(self.type, Enum) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the file: ``[node]``, or many by name: ``[listener.NAME]``."""

    name: str
    type: type
    is_named: bool
    keys: dict[str, Key]
    doc: str

    @property
    def is_by_domain(self) -> bool:
        """Whether the names of its tables are domains: ``[domain."example.org"]``."""
        return self.name.endswith("domain") or self.name == "dns_list"


def _keys(owner: type) -> dict[str, Key]:
    hints = typing.get_type_hints(owner)
    keys = {}
    for item in dataclasses.fields(owner):
        hint, is_optional = _without_none(hints[item.name])
        is_required = item.default is dataclasses.MISSING
        keys[item.name] = Key(
            name=item.name,
            type=typing.get_origin(hint) or hint,
            is_optional=is_optional,
            is_required=is_required,
            default=None if is_required else item.default,
            unit=item.metadata["unit"],
            is_secret=item.metadata["secret"],
            doc=item.metadata["doc"],
        )
    return keys


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) is not types.UnionType:
        return hint, False
    (kind,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    return kind, True


def _sections() -> dict[str, Section]:
    sections = {}
    for name, hint in typing.get_type_hints(Settings).items():
        is_named = typing.get_origin(hint) is dict
        owner = typing.get_args(hint)[1] if is_named else hint
        sections[name] = Section(
            name=name,
            type=owner,
            is_named=is_named,
            keys=_keys(owner),
            doc=inspect.getdoc(owner) or "",
        )
    return sections


SECTIONS: Final = _sections()
"""Every section, in the order of ``settings.Settings``."""
