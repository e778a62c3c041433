"""Style sheets in mail: what they load, and the color schemes they are for.

Text is replaced only where its meaning is certain, in linear time; anything not understood here is
still subject to the frame's policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["rewrite_style"]

# Each of these takes what is not closed to the end, so that nothing is looked at twice.
_URL: Final = re.compile(
    r"url\(\s*+(?:\"([^\"\n]*+)\"?|'([^'\n]*+)'?|([^\"')][^)]*+|))\s*+\)?", re.IGNORECASE
)
_IMPORT: Final = re.compile(
    r"@import\b\s*+(?:url\((?:\"[^\"]*+\"?|'[^']*+'?|[^)]*+)\)?|\"[^\"]*+\"?|'[^']*+'?)?"
    r"[^;{}]*+;?",
    re.IGNORECASE,
)
_FONT_FACE: Final = re.compile(r"@font-face\s*+\{[^}]*+\}?", re.IGNORECASE)
_PREFERENCE: Final = re.compile(
    r"\(\s*+prefers-color-scheme\s*+:\s*+(dark|light)\s*+\)", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"(?<![\w-])color-scheme\s*+:([^;}\"']*+)", re.IGNORECASE)
_ALWAYS: Final = "(min-width: 0px)"
_NEVER: Final = "(max-width: 0px)"


def rewrite_style(text: str, picture: Callable[[str], str], *, is_dark: bool) -> str:
    """Return a style sheet, or the value of ``style`` or ``media``, for the frame.

    Args:
        text: As the mail has it.
        picture: Returns what stands in the place of a URL.
        is_dark: Whether the reader prefers dark colors.
    """
    if "<" in text:  # within an element of style nothing ends it but its end tag
        text = text.replace("</", "<\\/")
    if "@" in text:
        text = _FONT_FACE.sub("", _IMPORT.sub("", text))
    if "(" in text:
        text = _URL.sub(lambda found: _replaced(found, picture), text)
    if "color-scheme" not in text.lower():
        return text
    wanted = "dark" if is_dark else "light"
    text = _PREFERENCE.sub(lambda found: _ALWAYS if found[1].lower() == wanted else _NEVER, text)
    return _SCHEME.sub(
        lambda found: (
            f"color-scheme: {'dark' if is_dark and 'dark' in found[1].lower() else 'light'}"
        ),
        text,
    )


def _replaced(found: re.Match[str], picture: Callable[[str], str]) -> str:
    url = found[1] or found[2] or found[3] or ""
    if url.strip().startswith("#"):  # a piece of an SVG in the same page
        return found[0]
    shown = picture(url).replace('"', "%22").replace("\n", "").replace("\\", "%5C")
    return f'url("{shown}")'
