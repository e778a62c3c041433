"""Normalizes text for searching: without case and accents, and split into words.

A word is a run of letters and digits; in scripts without spaces between words, each character is
one. Indexed text and queries go through the same functions, so the full-text index need not know
Unicode: it splits at ASCII characters that are neither letters nor digits.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["SHORTEST_BEGINNING", "fold", "fold_words", "words_of"]

SHORTEST_BEGINNING: Final = 2
"""Characters from which on a word that is looked for may be the beginning of one."""

# Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar: scripts without spaces between words.
_SPACELESS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_SPACELESS_RUN: Final = re.compile(f"[{_SPACELESS}]+")
# What stands between words and is not ASCII. Everything else is part of one: letters, digits,
# vowel signs, emoji.
_BETWEEN: Final = re.compile(
    r"[\u0080-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u0589\u05be\u05c0"
    r"\u05c3\u05f3\u05f4\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u2000-\u206f\u20a0-\u20cf\u2e00-\u2e7f"
    r"\u3000-\u3004\u3008-\u3020\u3030\u303d-\u303f\u30fb\ufe10-\ufe1f\ufe30-\ufe6f]"
)
# Accents and points, and what is there only for the look: soft hyphens, joiners.
_MARKS: Final = re.compile(
    r"[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u064b-\u065f\u0670\u1ab0-\u1aff"
    r"\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff\ufe00-\ufe0f\ufeff]+"
)
_WORD: Final = re.compile(r"[0-9a-z\u0080-\U0010ffff]+")


def fold(text: str) -> str:
    """Return a text in lower case, without accents, with single spaces."""
    return " ".join((text.lower() if text.isascii() else _to_plain(text)).split())


def fold_words(text: str) -> str:
    """Return a text for the full-text index: folded, its words apart in ASCII."""
    if text.isascii():
        return text.lower()
    western = _western_words(text)
    return _to_words(text) if western is None else western


def words_of(text: str) -> list[str]:
    """Return the words of a text, as ``fold_words`` keeps them apart."""
    return _WORD.findall(fold_words(text))


def _to_plain(text: str) -> str:
    """Take case and accents off: decomposed, folded, and decomposed again, for folding composes.

    What is no character in UTF-8 becomes a question mark.
    """
    text = text.encode("utf-8", "replace").decode()
    folded = unicodedata.normalize("NFKD", text).casefold()
    return _MARKS.sub("", unicodedata.normalize("NFKD", folded))


def _to_words(text: str) -> str:
    return _SPACELESS_RUN.sub(_one_by_one, _BETWEEN.sub(" ", _to_plain(text)))


def _one_by_one(found: re.Match[str]) -> str:
    return f" {' '.join(found[0])} "


# Most mail that is not ASCII is nearly Latin-1 and takes a fast path: a table with the result for
# each character.
_REPLACED: Final = tuple(
    (character, _to_words(character))
    for character in (
        "\xad\xb5\xbc\xbd\xbe\xdf"  # not one character of Latin-1 when folded
        "\u034f\u200b\u200c\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2022\u2026\u20ac"
    )
)
_LATIN: Final = bytes(
    ord(folded) if len(folded := _to_words(chr(code))) == 1 and folded <= "\xff" else ord(" ")
    for code in range(256)
)


def _western_words(text: str) -> str | None:
    """Do the same for a text that is Latin-1 but for the usual punctuation; None if it is not."""
    for character, folded in _REPLACED:
        text = text.replace(character, folded)
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError:
        return None
    return octets.translate(_LATIN).decode("latin-1")
