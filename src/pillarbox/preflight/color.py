"""Colors in HTML and CSS, and the contrast between them (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Color", "contrast", "read_color"]

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_HEX: Final = re.compile(r"#?([0-9a-f]{6}|[0-9a-f]{3})", re.IGNORECASE)
_RGB: Final = re.compile(
    r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\s*(?:[,/]\s*1(?:\.0+)?\s*)?\)"
)
_NAMES: Final[dict[str, Color]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "yellow": (255, 255, 0),
    "orange": (255, 165, 0),
    "navy": (0, 0, 128),
    "purple": (128, 0, 128),
    "lightgray": (211, 211, 211),
    "whitesmoke": (245, 245, 245),
}
_WEIGHTS: Final = (0.2126, 0.7152, 0.0722)


def read_color(text: str) -> Color | None:
    """Return the color that a value names; None where it is none, or lets others through."""
    text = text.strip().lower()
    if text in _NAMES:
        return _NAMES[text]
    if (found := _HEX.fullmatch(text)) is not None:
        digits = found[1] if len(found[1]) == 6 else "".join(2 * one for one in found[1])  # noqa: PLR2004 - digits
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if (found := _RGB.fullmatch(text)) is not None:
        return min(int(found[1]), 255), min(int(found[2]), 255), min(int(found[3]), 255)
    return None


def contrast(one: Color, other: Color) -> float:
    """Return the ratio of the luminances of two colors, from 1 (alike) to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    return sum(weight * _linear(value / 255) for weight, value in zip(_WEIGHTS, color, strict=True))


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
