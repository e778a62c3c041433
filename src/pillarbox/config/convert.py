"""Converts values from the file and the environment to the types of ``settings``.

It fails by raising ``WrongValue``, which says what was expected, with an example.
"""

from __future__ import annotations

import difflib
import math
from enum import Enum
from pathlib import Path
from typing import Final

from pillarbox.config.schema import Key
from pillarbox.config.settings import Unit
from pillarbox.config.units import EXAMPLES, parse_quantity
from pillarbox.errors import PermanentError

__all__ = ["WrongValue", "convert", "convert_text", "nearest", "show_value"]

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_NAMES: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    dict: "a table",
    list: "a list",
}
_LARGEST: Final = 2**53
_SHOWN: Final = 60


class WrongValue(PermanentError):  # noqa: N818 - reads as what it says
    """A value is not what its key takes; the text says what it takes, with an example."""

    def __init__(self, expected: str, hint: str = "") -> None:
        """Say what is expected and, as a hint, what may have been meant."""
        super().__init__(expected)
        self.hint = hint


def convert(value: object, key: Key) -> object:
    """Return a value of a TOML file as the type of its key.

    Raises:
        WrongValue: It cannot be one.
    """
    if isinstance(value, str) and any(ord(letter) < ord(" ") for letter in value):
        raise WrongValue("a text without line ends and control characters")
    if issubclass(key.type, Enum):
        return _choice(value, key)
    if key.type is tuple:
        return _texts(value)
    if key.unit is not None:
        return _quantity(value, key, key.unit)
    if key.type is Path and isinstance(value, str) and value:
        return Path(value)
    if key.type is int and type(value) is int:
        return _in_range(value)
    if key.type in {bool, str} and type(value) is key.type:
        return value
    raise WrongValue(_expected(key))


def convert_text(text: str, key: Key) -> object:
    """Return a value of the environment, which is always text, as the type of its key.

    A list is separated by commas; true is ``true``, ``yes``, ``on`` or ``1``.

    Raises:
        WrongValue: It cannot be one.
    """
    if key.type is bool:
        word = text.strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise WrongValue("true or false")
    if key.type is tuple:
        return convert([part.strip() for part in text.split(",") if part.strip()], key)
    if key.type is int and key.unit is None:
        word = text.strip()
        if not (word.isascii() and word.isdigit() and len(word) < 17):  # noqa: PLR2004 - 2**53
            raise WrongValue(_expected(key))
        return convert(int(word), key)
    return convert(text, key)


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return ``Did you mean "…"?`` for the nearest known word, or the list of them."""
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if close:
        return f'Did you mean "{close[0]}"?'
    return f"Known here: {', '.join(known)}." if known else ""


def show_value(value: object) -> str:
    """Return a value as it may be quoted in a message: short, in one line."""
    kind = _NAMES.get(type(value))
    if kind in {"a table", "a list"}:
        return str(kind)
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _choice(value: object, key: Key) -> object:
    if isinstance(value, str) and value.lower() in key.choices:
        return key.type(value.lower())
    listed = ", ".join(f'"{choice}"' for choice in key.choices)
    raise WrongValue(f"one of {listed}", nearest(str(value), key.choices))


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WrongValue('a list of texts, such as ["127.0.0.1:2525"]')
    texts: tuple[str, ...] = tuple(value)
    if any(ord(letter) < ord(" ") for text in texts for letter in text):
        raise WrongValue("a list of texts without line ends and control characters")
    return texts


def _quantity(value: object, key: Key, unit: Unit) -> float | int:
    quantity = None
    if isinstance(value, str):
        quantity = parse_quantity(value, unit)
    elif type(value) in {int, float}:
        quantity = float(value) if abs(value) < _LARGEST else None  # type: ignore[arg-type]
    if quantity is None or not math.isfinite(quantity) or quantity < 0:
        raise WrongValue(f"a {unit.value}, such as {EXAMPLES[unit]}")
    return int(quantity) if key.type is int else quantity


def _in_range(value: int) -> int:
    if not 0 <= value < _LARGEST:
        raise WrongValue("a whole number that is not negative")
    return value


def _expected(key: Key) -> str:
    if key.type is Path:
        return 'a path in quotes, such as "/etc/pillarbox/tls.pem"'
    if key.type is int:
        return f"a whole number, such as {key.default or 1}"
    if key.type is bool:
        return "true or false, without quotes"
    return "a text in quotes"
