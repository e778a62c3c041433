"""Loads the configuration: defaults, then one TOML file, then the environment.

Guarantees: every problem is found in one pass and reported with its file, line and key; nothing
unknown is ignored silently; the source of each value is recorded. It fails by raising
``ConfigError`` and nothing else, whatever the file contains.

Relative paths are relative to the directory in which pillarbox is started.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pillarbox.config.convert import WrongValue, convert, convert_text, nearest, show_value
from pillarbox.config.environment import Variable, variables
from pillarbox.config.error import ConfigError
from pillarbox.config.lines import key_lines, line_of
from pillarbox.config.schema import SECTIONS, Key, Section
from pillarbox.config.settings import Settings
from pillarbox.findings import Finding, Level

__all__ = ["Loaded", "find_file", "load", "show_address"]

DEFAULT: Final = "default"
_MAX_FILE: Final = 4 * 1024 * 1024  # a list of recipients belongs in a file of its own
_MAX_SECRET: Final = 64 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Address = tuple[str, ...]  # ("node", "name") or ("listener", "submission", "bind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration, and where each of its values came from."""

    settings: Settings
    path: Path | None  # the file; None: defaults and environment only
    origins: dict[Address, str]  # "pillarbox.toml:12", "$PILLARBOX_NODE__NAME"; missing: default
    secret_files: dict[Address, Path]  # files that values were read from

    def origin(self, address: Address) -> str:
        """Return where a value came from, in words: ``default``, ``FILE:LINE``, ``$NAME``."""
        return self.origins.get(address, DEFAULT)


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration.

    Args:
        path: The file; None looks for one in the usual places (``find_file``), and goes by
            the defaults where there is none.
        environ: The environment, such as ``os.environ``.

    Raises:
        ConfigError: Something in it is wrong; all findings are in it.
    """
    path = find_file(path, environ)
    reading = _Reading(path)
    reading.read_file()
    reading.read_environment(environ)
    settings = reading.settings()
    if reading.findings:
        raise ConfigError(reading.findings)
    return Loaded(
        settings=settings,
        path=path,
        origins=reading.origins,
        secret_files=reading.secret_files,
    )


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read: what is asked for, or the first that is there.

    In this order: the argument, ``$PILLARBOX_CONFIG``, ``pillarbox.toml`` here,
    ``$XDG_CONFIG_HOME/pillarbox/config.toml``, ``/etc/pillarbox/pillarbox.toml``.
    """
    if path is not None:
        return path
    if named := environ.get("PILLARBOX_CONFIG"):
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '~')}/.config"
    usual = (
        Path("pillarbox.toml"),
        Path(home, "pillarbox", "config.toml"),
        Path("/etc/pillarbox/pillarbox.toml"),
    )
    return next((file for file in usual if _exists(file)), None)


def _exists(file: Path) -> bool:
    # A file that is there and may not be looked at must be complained about, not passed over.
    try:
        return file.exists()
    except OSError:
        return True


def show_address(address: Address) -> str:
    """Return the key as it is written in the file: ``domain."example.org".route``."""
    bare = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    return ".".join(part if part and bare.issuperset(part) else f'"{part}"' for part in address)


@dataclass(slots=True)
class _Reading:
    """One run of the loader: what has been read so far, and what was wrong with it."""

    path: Path | None
    values: dict[Address, object] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)  # names in named sections
    origins: dict[Address, str] = field(default_factory=dict)
    secret_files: dict[Address, Path] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    lines: dict[Address, int] = field(default_factory=dict)
    wrong: set[Address] = field(default_factory=set)  # keys that are there with a wrong value

    # --- the file -----------------------------------------------------------------

    def read_file(self) -> None:
        if self.path is None:
            return
        try:
            with self.path.open("rb") as file:
                octets = file.read(_MAX_FILE + 1)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._find("001", f"{self.path} cannot be read: {reason}.", _FIX_UNREADABLE)
            return
        if len(octets) > _MAX_FILE:
            self._find("001", f"{self.path} is larger than 4 MiB.", _FIX_LARGE)
            return
        try:
            text = octets.decode("utf-8")
            document = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # TOMLDecodeError, UnicodeDecodeError
            reason = str(error) or type(error).__name__
            self._find("002", f"{self.path} is not TOML: {reason}.", _FIX_SYNTAX)
            return
        self.lines = key_lines(text)
        for name, table in document.items():
            self._read_section(name, table)

    def _read_section(self, name: str, table: object) -> None:
        section = SECTIONS.get(name)
        if section is None:
            self._unknown((name,), tuple(SECTIONS), "section")
        elif not isinstance(table, dict):
            self._wrong((name,), table, f"a section: [{name}]")
        elif not section.is_named:
            self._read_table(section, (name,), table)
        else:
            for own_name, own_table in table.items():
                address = (name, own_name)
                if isinstance(own_table, dict):
                    self._name(section, own_name)
                    self._read_table(section, address, own_table)
                else:
                    self._wrong(address, own_table, f"a table: [{name}.NAME]")

    def _read_table(self, section: Section, address: Address, table: dict[str, Any]) -> None:
        for word, value in table.items():
            place = (*address, word)
            key = section.keys.get(word)
            if key is not None:
                self._take(place, key, value)
            elif (secret := _secret_in_file(section, word)) and isinstance(value, str):
                origin = f"{self._where(place)}, {value}"
                self._take_secret((*address, secret.name), secret, Path(value), origin)
            else:
                self._unknown(place, tuple(section.keys), "key")

    def _take(self, place: Address, key: Key, value: object) -> None:
        try:
            self.values[place] = convert(value, key)
        except WrongValue as expected:
            self._wrong(place, None if key.is_secret else value, str(expected), expected.hint)
        else:
            self.origins[place] = self._where(place)

    # --- the environment ----------------------------------------------------------

    def read_environment(self, environ: Mapping[str, str]) -> None:
        for variable in variables(environ, self.tables):
            if variable.key is None:
                self._find("008", f"${variable.name} is not a setting.", variable.hint)
                continue
            if len(variable.address) > 2:  # noqa: PLR2004 - section, name, key
                self._name(SECTIONS[variable.address[0]], variable.address[1])
            if variable.is_file:
                origin = f"${variable.name}, {variable.text}"
                self._take_secret(variable.address, variable.key, Path(variable.text), origin)
            else:
                self._take_text(variable.address, variable.key, variable.text, variable)

    def _take_text(self, place: Address, key: Key, text: str, variable: Variable) -> None:
        try:
            self.values[place] = convert_text(text, key)
        except WrongValue as expected:
            shown = "" if key.is_secret else f", not {show_value(text)}"
            self.wrong.add(place)
            self._find("005", f"${variable.name} takes {expected}{shown}.", expected.hint)
        else:
            self.origins[place] = f"${variable.name}"

    def _take_secret(self, place: Address, key: Key, file: Path, origin: str) -> None:
        try:
            with file.open("rb") as opened:
                text = opened.read(_MAX_SECRET).decode("utf-8")
            # The line end is the editor's, not the secret's.
            self.values[place] = convert_text(text.removesuffix("\n").removesuffix("\r"), key)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            what = f"{show_address(place)} cannot be read from {file}: {reason}."
            self.wrong.add(place)
            self._find("007", what, f"Put the value into {file}, mode 0600.", origin)
        except WrongValue as expected:
            self.wrong.add(place)
            self._find("005", f"{file} must hold {expected}.", key.doc, origin)
        else:
            self.origins[place] = origin
            self.secret_files[place] = file

    # --- the result ---------------------------------------------------------------

    def settings(self) -> Settings:
        """Return what was read; where something is missing, a finding says so."""
        built: dict[str, Any] = {}
        for section in SECTIONS.values():
            if section.is_named:
                names = self.tables.get(section.name, [])
                made = ((name, self._build(section, (section.name, name))) for name in names)
                built[section.name] = {name: table for name, table in made if table is not None}
            else:
                built[section.name] = self._build(section, (section.name,))
        return Settings(**built)

    def _build(self, section: Section, address: Address) -> Any:
        given = {
            name: self.values[place]
            for name in section.keys
            if (place := (*address, name)) in self.values
        }
        missing = [
            key for key in section.keys.values() if key.is_required and key.name not in given
        ]
        for key in missing:
            if (place := (*address, key.name)) not in self.wrong:
                what = f"{show_address(place)} is missing."
                self._find("006", what, f"{key.name}: {key.doc}", self._where(address))
        return None if missing else section.type(**given)

    # --- findings -----------------------------------------------------------------

    def _name(self, section: Section, name: str) -> None:
        names = self.tables.setdefault(section.name, [])
        if name in names:
            return
        names.append(name)
        # Names of listeners and routes are stored with messages and shown in logs.
        if not section.is_by_domain and not _NAME.fullmatch(name):
            what = f"{name!r} cannot be the name of a {section.name}."
            self._find("009", what, _FIX_NAME, self._where((section.name, name)))

    def _where(self, address: Address) -> str:
        line = line_of(address, self.lines)
        return f"{self.path}:{line}" if line else str(self.path or "environment")

    def _unknown(self, address: Address, known: tuple[str, ...], kind: str) -> None:
        code = "003" if kind == "section" else "004"
        what = f"{show_address(address)} is not a {kind} that pillarbox knows."
        self._find(code, what, nearest(address[-1], known), self._where(address))

    def _wrong(self, address: Address, value: object, expected: str, hint: str = "") -> None:
        self.wrong.add(address)
        shown = "" if value is None else f", not {show_value(value)}"
        what = f"{show_address(address)} takes {expected}{shown}."
        self._find("005", what, hint, self._where(address))

    def _find(self, code: str, what: str, fix: str, *evidence: str) -> None:
        self.findings.append(
            Finding(
                level=Level.ERROR,
                code=f"PB-CONFIG-{code}",
                what=what,
                fix=fix,
                evidence=evidence,
            )
        )


def _secret_in_file(section: Section, word: str) -> Key | None:
    """Return the secret key that ``password_file`` gives the file of, or None."""
    key = section.keys.get(word.removesuffix("_file"))
    return key if key is not None and key.is_secret else None


_FIX_UNREADABLE: Final = "Give the file with --config, or write one with `pillarbox init`."
_FIX_LARGE: Final = "Put lists of recipients into files of their own (recipients_file)."
_FIX_SYNTAX: Final = "Texts and paths need quotes; a key may stand only once; https://toml.io"
_FIX_NAME: Final = "Use letters, digits, - and _, 64 at most."
