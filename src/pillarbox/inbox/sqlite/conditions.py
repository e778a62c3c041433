"""Translates a search query into SQL.

User input only ever becomes a bound value. For the full-text index it is first split into words of
letters and digits, which are quoted, so that nothing in it is syntax.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import apsw

from pillarbox.errors import PermanentError
from pillarbox.inbox.values import Selection
from pillarbox.search.folding import SHORTEST_BEGINNING, fold, words_of
from pillarbox.search.query import Query, Term, Word
from pillarbox.search.words import ORDERS
from pillarbox.store.ids import parse_id
from pillarbox.store.port import MessageId
from pillarbox.store.statements import statements

__all__ = ["SQL", "Conditions", "carray", "conditions"]

SQL: Final = statements("pillarbox.inbox.sqlite", "find.sql")

_IN_FIELDS: Final = {
    Word.FROM: "author",
    Word.TO: "recipients",
    Word.CC: "cc",
    Word.BCC: "bcc",
    Word.REPLY_TO: "reply_to",
    Word.ADDRESSED: "addressed",
    Word.SUBJECT: "subject",
    Word.MESSAGE_ID: "message_id",
}
_BY_NUMBER: Final = {
    Word.BEFORE: "before",
    Word.AFTER: "after",
    Word.LARGER: "larger",
    Word.SMALLER: "smaller",
}
_CHOSEN: Final = {
    (Word.IS, "read"): ("is_read", False),
    (Word.IS, "unread"): ("is_read", True),
    (Word.IS, "tagged"): ("is_tagged", False),
    (Word.HAS, "attachment"): ("has_attachment", False),
    (Word.HAS, "inline"): ("has_inline", False),
}
_LARGEST_ID: Final = 2**63 - 1
_NO_ID: Final = -1


@dataclass(slots=True)
class Conditions:
    """The conditions on mails, as SQL with its values."""

    where: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    needs_fields: bool = False
    needs_words: bool = False  # whether the full-text index is used at all
    is_by_words: bool = False  # whether it is the source
    order: str = "newest"

    def add(self, name: str, *values: object, is_negated: bool = False) -> None:
        """Require a condition of ``find.sql``, or its opposite."""
        condition = SQL[name]
        self.where.append(f"NOT ({condition})" if is_negated else condition)
        self.values.extend(values)

    def complete(self, name: str) -> str:
        """Return a statement of ``find.sql`` with its source, conditions and order."""
        source = SQL["from_words" if self.is_by_words else "from_mail"]
        if self.needs_fields:
            source += "\n" + SQL["join_field"]
        order = f"{self.order}_words" if self.is_by_words else self.order
        return SQL[name].format(
            source=source,
            where="\n  AND ".join(self.where),
            order=SQL.get(order) or SQL[self.order],
        )


def conditions(selection: Selection, *, before: MessageId | None = None) -> Conditions:
    """Return the conditions of a selection.

    Args:
        selection: The selection.
        before: Only those after this one in the requested order.

    Raises:
        PermanentError: There is no such order.
    """
    found = Conditions()
    query = selection.query or Query()
    _add_words(found, [term for term in query.terms if term.word is Word.ANY])
    found.add("is_listed")
    if selection.project is not None:
        found.add("in_project", selection.project)
    if selection.ids is not None:
        found.add("is_one_of", carray(selection.ids))
    for term in query.terms:
        if term.word is not Word.ANY:
            _add(found, term)
    if query.order:
        if query.order not in ORDERS:
            raise PermanentError(f"order:{query.order} cannot be asked of caught mail")
        found.order = query.order
    if before is not None:
        found.add(f"behind_{found.order}", before)
    return found


def carray(ids: Iterable[int]) -> Any:
    """Make one bound value of many ids."""
    known = sorted(mail for mail in ids if 0 <= mail <= _LARGEST_ID)
    return apsw.carray(array("q", known or [_NO_ID]))  # SQLite takes no empty one


def _add_words(found: Conditions, terms: list[Term]) -> None:
    wanted: list[str] = []
    unwanted: list[str] = []
    for term in terms:
        if words := words_of(term.value):
            is_begun = not term.is_phrase and len(words[-1]) >= SHORTEST_BEGINNING
            phrase = f'"{" ".join(words)}"' + (" *" if is_begun else "")
            (unwanted if term.is_negated else wanted).append(phrase)
    if wanted:
        match = " AND ".join(wanted)
        found.add("has_words", " NOT ".join([f"({match})", *unwanted]))
        found.is_by_words = True
    elif unwanted:
        found.add("lacks_words", " OR ".join(unwanted))
    found.needs_words = bool(wanted or unwanted)


def _add(found: Conditions, term: Term) -> None:
    word = term.word
    if name := _IN_FIELDS.get(word):
        found.needs_fields = True
        found.add(name, *[fold(term.value)] * SQL[name].count("?"), is_negated=term.is_negated)
    elif name := _BY_NUMBER.get(word):
        found.add(name, term.number, is_negated=term.is_negated)
    elif word is Word.TAG:
        found.add("tag", fold(term.value), is_negated=term.is_negated)
    elif word is Word.ID:
        found.add("id", _id(term.value), is_negated=term.is_negated)
    elif chosen := _CHOSEN.get((word, term.value)):
        name, is_opposite = chosen
        found.add(name, is_negated=term.is_negated != is_opposite)
    else:
        raise PermanentError(f"{word.value}:{term.value} cannot be asked of caught mail")


def _id(value: str) -> int:
    """Return the id in a text; an id that no mail has if the text is not one."""
    try:
        return parse_id(value.strip())
    except PermanentError:
        return _NO_ID
