"""Settings from the environment: ``PILLARBOX_SECTION__KEY``, ``PILLARBOX_LISTENER__NAME__KEY``.

A variable that ends in ``_FILE`` names a file that contains the value, which is how secrets are
passed to containers. Only variables with two underscores are settings; others belong to somebody
else (Kubernetes sets ``PILLARBOX_PORT`` for a service named pillarbox).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pillarbox.config.convert import nearest
from pillarbox.config.schema import SECTIONS, Key, Section

__all__ = ["Variable", "variables"]

_PREFIX: Final = "PILLARBOX_"
_FILE: Final = "_file"
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable: the setting that it names, or why it names none."""

    name: str
    text: str
    address: tuple[str, ...] = ()
    key: Key | None = None
    is_file: bool = False
    hint: str = ""


def variables(environ: Mapping[str, str], tables: Mapping[str, list[str]]) -> Iterator[Variable]:
    """Yield the variables that are meant as settings, in the order of their names.

    Args:
        environ: The environment.
        tables: The names that the file uses in each named section, so that
            ``PILLARBOX_DOMAIN__EXAMPLE_ORG__ROUTE`` finds ``[domain."example.org"]``.
    """
    for name in sorted(environ):
        rest = name.removeprefix(_PREFIX)
        if rest != name and "__" in rest:
            yield _read(name, rest, environ[name], tables)


def _read(name: str, rest: str, text: str, tables: Mapping[str, list[str]]) -> Variable:
    first, *middle, last = rest.split("__")
    section = SECTIONS.get(first.lower())
    if section is None:
        return Variable(name=name, text=text, hint=nearest(first, tuple(SECTIONS)))
    if len(middle) != section.is_named or not all(middle):
        shape = f"{_PREFIX}{first.upper()}{'__NAME' if section.is_named else ''}__KEY"
        return Variable(name=name, text=text, hint=f"Variables of this section look like {shape}.")
    key, is_file = _key(section, last.lower())
    if key is None:
        return Variable(name=name, text=text, hint=nearest(last, tuple(section.keys)))
    table = tuple(_table(part, tables.get(section.name, [])) for part in middle)
    address = (section.name, *table, key.name)
    return Variable(name=name, text=text, address=address, key=key, is_file=is_file)


def _key(section: Section, word: str) -> tuple[Key | None, bool]:
    # zone_file is a key of its own; url_file is the file of url.
    if word in section.keys:
        return section.keys[word], False
    return section.keys.get(word.removesuffix(_FILE)), word.endswith(_FILE)


def _table(part: str, names: list[str]) -> str:
    """Return the name in the file that a part of a variable means; a new one in lower case."""
    wanted = _NOT_IN_NAMES.sub("_", part.lower())
    return next(
        (name for name in names if _NOT_IN_NAMES.sub("_", name.lower()) == wanted), part.lower()
    )
