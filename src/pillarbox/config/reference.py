"""The configuration reference in Markdown, generated from the types of ``settings``.

``docs/configuration.md`` is its output; a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final

from pillarbox.config.schema import SECTIONS, Key, Section
from pillarbox.config.settings import Unit
from pillarbox.config.show import toml_value

__all__ = ["reference"]

_HEAD: Final = """\
# Configuration reference

Printed by `pillarbox config reference`; do not edit it by hand.

pillarbox reads one [TOML](https://toml.io) file. It is the first of: what `--config` says,
`$PILLARBOX_CONFIG`, `./pillarbox.toml`, `$XDG_CONFIG_HOME/pillarbox/config.toml`,
`/etc/pillarbox/pillarbox.toml`. Every key has a default unless it says *required*. A key that
is not listed here is an error. `pillarbox config check` looks for what is wrong,
`pillarbox config show` prints what is in force and where each value came from.

* **Durations** are seconds or have a unit: `30`, `"30 s"`, `"5 min"`, `"4 h"`, `"5 d"`.
* **Sizes** are octets or have a unit: `65536`, `"64 KiB"`, `"25 MiB"` (powers of 1024), `"25 MB"`
  (powers of 1000).
* **Paths** that do not begin with `/` start where pillarbox is started.
* **Environment.** `PILLARBOX_SECTION__KEY` overrides a key of the file, and
  `PILLARBOX_LISTENER__NAME__KEY` one of a named table; a domain's name is written with `_` for
  every other character (`PILLARBOX_DOMAIN__EXAMPLE_ORG__ROUTE`). Lists are separated by commas.
  With `_FILE` behind it, a variable names a file that holds the value.
* **Secrets** can stand in files of their own: in the environment as above, and in the file by
  `_file` behind the key (`password_file = "/run/secrets/smarthost"`). Such files, and a
  configuration file that holds a password, must not be readable by others.
"""


def reference() -> str:
    """Return the whole reference."""
    return "\n".join([_HEAD, *(line for item in SECTIONS.values() for line in _section(item))])


def _section(section: Section) -> Iterator[str]:
    title = f"[{section.name}.NAME]" if section.is_named else f"[{section.name}]"
    if section.is_by_domain:
        title = f'[{section.name}."NAME"]'
    yield f"## `{title}`"
    yield ""
    yield section.doc
    yield ""
    yield "| key | takes | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for key in section.keys.values():
        cells = (f"`{key.name}`", _takes(key), _default(key), _meaning(key))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _takes(key: Key) -> str:
    if key.unit is not None:
        return key.unit.value
    if issubclass(key.type, Enum):
        return ", ".join(f'`"{choice}"`' for choice in key.choices)
    names = {bool: "true, false", int: "whole number", tuple: "list of texts", Path: "path"}
    return names.get(key.type, "text")


def _default(key: Key) -> str:
    if key.is_required:
        return "*required*"
    shown = toml_value(key.default, key)
    if key.unit is Unit.OCTETS and shown == "0":
        return "`0`"
    return f"`{shown}`" if shown not in {"", '""'} else ""


def _meaning(key: Key) -> str:
    # Outside of code, Markdown would take <postmaster> for a tag.
    parts = key.doc.split("`")
    parts[::2] = (part.replace("<", "&lt;") for part in parts[::2])
    return "`".join(parts) + (" *Secret.*" if key.is_secret else "")
