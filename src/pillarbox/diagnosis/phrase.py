"""Phrases to be found in a text, in time linear in it.

A phrase is lower case; ``*`` stands for at most sixty characters. Nothing else is special, so
that no phrase of the catalog can be slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["MAX_TEXT", "Phrase", "flatten"]

MAX_TEXT: Final = 4_096  # what a server says in a reply is shorter; the rest is not looked at
_GAP: Final = ".{0,60}?"
_QUOTES: Final = str.maketrans("\u2018\u2019`\u201c\u201d", "'''\"\"")


def flatten(text: str) -> str:
    """Return the beginning of a text as phrases expect it: lower case, single spaces."""
    return " ".join(text[:MAX_TEXT].translate(_QUOTES).lower().split())


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that tell a cause."""

    words: str
    _gapped: re.Pattern[str] | None

    @classmethod
    def of(cls, words: str) -> Phrase:
        """Read a phrase as it stands in the catalog."""
        if "*" not in words:
            return cls(words, None)
        pieces = (re.escape(piece.strip()) for piece in words.split("*"))
        return cls(words, re.compile(_GAP.join(pieces)))

    @property
    def weight(self) -> int:
        """How much it tells: the number of its letters."""
        return len(self.words) - self.words.count("*")

    def is_in(self, flat: str) -> bool:
        """Return whether a flattened text holds it."""
        if self._gapped is not None:
            return self._gapped.search(flat) is not None
        return self.words in flat
