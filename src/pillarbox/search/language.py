"""Parses what people type into a search box.

A query is a list of terms that must all match: words, ``"phrases"``, and ``word:value`` with the
words of ``search.words``; ``-`` or ``!`` before a term negates it. An unfinished query, while
somebody is typing, counts as far as it goes: an open quotation extends to the end, and a word
without a value is ignored. An unknown word is an error that names the closest known one; apart from
meaningless dates, sizes and choices, nothing else that can be typed is an error. Time is linear in
the text, which is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, tzinfo
from difflib import get_close_matches
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.search.folding import words_of
from pillarbox.search.quantities import parse_moment, parse_octets
from pillarbox.search.query import Query, Term, Word
from pillarbox.search.words import CHOICES, MAIL_WORDS, ORDERS

__all__ = ["QueryError", "parse_query"]

_LONGEST: Final = 2_000  # characters of a query
_MOST_TERMS: Final = 50
_CLOSE: Final = 0.5  # how alike two words must be to be taken for each other

_QUOTES: Final = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'))
_ITEM: Final = re.compile(
    r"""
    \s*+ (?P<negation>[-!]?)
    (?: (?P<name>[A-Za-z][A-Za-z-]*+) : (?!//|:) )?
    (?: "(?P<phrase>[^"]*+)"? | (?P<plain>[^\s"]*+) )
    """,
    re.VERBOSE,
)
# Names before a colon that are part of what people paste, and so are text.
_PASTED: Final = frozenset({"aw", "cid", "fw", "fwd", "mailto", "re", "tel", "urn"})
# What other programs call our words.
_ELSEWHERE: Final = {
    "bigger": "larger",
    "date": "after",
    "label": "tag",
    "msgid": "message-id",
    "newer": "after",
    "older": "before",
    "recipient": "to",
    "sender": "from",
    "since": "after",
    "size": "larger",
    "sort": "order",
    "title": "subject",
    "until": "before",
}
_NAMES: Final = {word.value: word for word in Word if word is not Word.ANY}
_ORDER: Final = "order"


class QueryError(PermanentError):
    """An invalid query; its text is a sentence for people."""

    def __init__(self, message: str, *, suggestion: str = "") -> None:
        """Take the error; ``suggestion`` is the probable intention, "" if unknown."""
        super().__init__(message)
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a text is read by."""

    now: float
    zone: tzinfo
    words: AbstractSet[Word]


def parse_query(
    text: str, *, now: float, zone: tzinfo = UTC, words: AbstractSet[Word] = MAIL_WORDS
) -> Query:
    """Read a query.

    Args:
        text: What was typed.
        now: The wall clock, in seconds since 1970, which relative times count from.
        zone: The time zone that days are meant in.
        words: The words allowed here.

    Raises:
        QueryError: A word, a date, a size or a choice is none.
    """
    if len(text) > _LONGEST:
        raise QueryError(f"A search has at most {_LONGEST} characters, and this one {len(text)}.")
    reading = _Reading(now, zone, words)
    terms: list[Term] = []
    order = ""
    text = text.translate(_QUOTES).rstrip()
    position = 0
    while position < len(text):
        item = _ITEM.match(text, position)
        if item is None or item.end() == position:  # a quotation mark that closes nothing
            position += 1
            continue
        position = item.end()
        if _name(item) == _ORDER:
            order = _choice(_ORDER, _value(item), ORDERS) or order
        elif (term := _term(item, reading)) is not None:
            terms.append(term)
    if len(terms) > _MOST_TERMS:
        raise QueryError(f"A search has at most {_MOST_TERMS} terms, and this one {len(terms)}.")
    return Query(tuple(terms), order)


def _name(item: re.Match[str]) -> str:
    return (item["name"] or "").lower()


def _value(item: re.Match[str]) -> str:
    return item["plain"] if item["phrase"] is None else item["phrase"]


def _term(item: re.Match[str], reading: _Reading) -> Term | None:
    """Return the term that an item is; None where it asks for nothing."""
    name, value = _name(item), _value(item)
    is_phrase = item["phrase"] is not None
    is_negated = bool(item["negation"])
    if not name or name in _PASTED or not (value or name in _NAMES):
        written = f"{item['name']}:{value}" if name else value
        return Term(Word.ANY, written, is_negated, is_phrase) if words_of(written) else None
    word = _word(item["name"], reading.words)
    if not value.strip():
        return None
    number = 0.0
    if word in CHOICES:
        value = CHOICES[word][_choice(name, value, tuple(CHOICES[word]))]
    elif word in (Word.BEFORE, Word.AFTER):
        number = _moment(name, value, reading)
    elif word in (Word.LARGER, Word.SMALLER):
        number = _octets(name, value)
    return Term(word, value, is_negated, is_phrase, number)


def _word(name: str, words: AbstractSet[Word]) -> Word:
    word = _NAMES.get(name.lower())
    if word is not None and word in words:
        return word
    known = [*(word.value for word in words), _ORDER]
    meant = _ELSEWHERE.get(name.lower(), "")
    closest = meant if meant in known else _closest(name, known)
    why = (
        f'There is no word "{name}:".' if word is None else f'"{name}:" asks of mail that was sent.'
    )
    if closest:
        raise QueryError(f'{why} Did you mean "{closest}:"?', suggestion=f"{closest}:")
    raise QueryError(
        f"{why} The words are {', '.join(f'{word}:' for word in sorted(known))}."
        " What stands in quotation marks is looked for in the text."
    )


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return the choice that a value is; "" where there is no value yet."""
    small = value.strip().lower()
    if small in choices or not small:
        return small
    closest = _closest(small, choices)
    hint = f'Did you mean "{name}:{closest}"?' if closest else f"It takes {', '.join(choices)}."
    raise QueryError(
        f'There is no "{name}:{value}". {hint}', suggestion=f"{name}:{closest}" if closest else ""
    )


def _closest(name: str, known: list[str] | tuple[str, ...]) -> str:
    found = get_close_matches(name.lower(), known, n=1, cutoff=_CLOSE)
    return found[0] if found else ""


def _moment(name: str, value: str, reading: _Reading) -> float:
    found = parse_moment(value, now=reading.now, zone=reading.zone)
    if found is None:
        raise QueryError(
            f'"{name}:{value}" is no time. It takes a day or a time (2026-11-21, 2026-11-21T09:30,'
            " today, yesterday) or how long ago (30m, 2h, 3d, 1w, 6mo, 1y)."
        )
    return found


def _octets(name: str, value: str) -> float:
    found = parse_octets(value)
    if found is None:
        raise QueryError(f'"{name}:{value}" is no size. It takes octets (2000), 50k, 1.5M or 1G.')
    return found
