"""Text as the search compares it: without case and accents, and cut into words.

A word is a run of letters and digits; of scripts that put no spaces between words, each
character is one. Both sides go through the same functions, what is kept and what is asked
for, so that the full-text index need know nothing of Unicode: it splits at whatever is
ASCII and neither letter nor digit.
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
_ALONE: Final = re.compile(f"[{_SPACELESS}]")
# What stands between words. Everything else is part of one: letters, digits, vowel signs, emoji.
_BETWEEN: Final = re.compile(
    r"[\x00-/:-@\[-`{-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u0589\u05be\u05c0"
    r"\u05c3\u05f3\u05f4\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u2000-\u206f\u2e00-\u2e7f"
    r"\u3000-\u3004\u3008-\u3020\u3030\u303d-\u303f\u30fb\ufe10-\ufe1f\ufe30-\ufe6f]"
)
# Accents and points, and what is there only for the look: soft hyphens, joiners.
_MARKS: Final = re.compile(
    r"[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u064b-\u065f\u0670\u1ab0-\u1aff"
    r"\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff\ufe00-\ufe0f\ufeff]+"
)
_WORD: Final = re.compile(r"[0-9a-z\u0080-\U0010ffff]+")


def fold(text: str) -> str:
    """Return a text in small letters, without accents, with single spaces."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(_plain(text).split())


def fold_words(text: str) -> str:
    """Return a text for the full-text index: folded, its words apart in ASCII."""
    if text.isascii():
        return text.lower()
    return _ALONE.sub(r" \g<0> ", _BETWEEN.sub(" ", _plain(text)))


def words_of(text: str) -> list[str]:
    """Return the words of a text, as ``fold_words`` keeps them apart."""
    return _WORD.findall(fold_words(text))


def _plain(text: str) -> str:
    """Take case and accents off: decomposed, folded, and decomposed again, for folding composes.

    What is no character in UTF-8 becomes a question mark.
    """
    text = text.encode("utf-8", "replace").decode()
    folded = unicodedata.normalize("NFKD", text).casefold()
    return _MARKS.sub("", unicodedata.normalize("NFKD", folded))
