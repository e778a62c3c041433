"""What a test waits for: conditions to match, and words for the failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pillarbox.testing.message import CaughtMessage

__all__ = ["Pattern", "Wanted"]

_SHOWN: Final = 80  # characters of a text

Pattern = str | re.Pattern[str]
"""A text that is contained, whatever the case; or a regular expression that finds something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a mail must be like; what is None does not matter."""

    to: Pattern | None = None
    from_: Pattern | None = None
    subject: Pattern | None = None
    text: Pattern | None = None
    where: Callable[[CaughtMessage], bool] | None = None

    def difference(self, message: CaughtMessage) -> str:
        """Return why a mail is not like that, in a few words; "" where it is."""
        if not _is_one(self.to, (*message.envelope_to, *message.to, *message.cc)):
            return "other recipients"
        if not _is_one(self.from_, (message.from_, message.envelope_from)):
            return "another sender"
        if self.subject is not None and not _contains(message.subject, self.subject):
            return "another subject"
        if self.text is not None and not _contains(message.words, self.text):
            return f"another text: {_beginning(message.words)}"
        return "" if self.where is None else _objection(self.where, message)

    def __str__(self) -> str:
        parts = [
            phrase.format(_shown(wanted))
            for wanted, phrase in (
                (self.to, "to {}"),
                (self.from_, "from {}"),
                (self.subject, "with {} in its subject"),
                (self.text, "with {} in its text"),
            )
            if wanted is not None
        ]
        if self.where is not None:
            parts.append("for which `where` holds")
        return " ".join(["mail", *parts])


def _is_one(wanted: Pattern | None, addresses: Iterable[str]) -> bool:
    return wanted is None or any(_is_address(wanted, address) for address in addresses)


def _is_address(wanted: Pattern, address: str) -> bool:
    """Whether an address is the one that is wanted: a whole one, or else a part of it."""
    if isinstance(wanted, str) and wanted.rpartition("@")[0]:
        return wanted.casefold() == address.casefold()
    return _contains(address, wanted)


def _contains(text: str, wanted: Pattern) -> bool:
    if isinstance(wanted, str):
        return wanted.casefold() in text.casefold()
    return wanted.search(text) is not None


def _shown(wanted: Pattern) -> str:
    return repr(wanted.pattern if isinstance(wanted, re.Pattern) else wanted)


def _beginning(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…")


def _objection(where: Callable[[CaughtMessage], bool], message: CaughtMessage) -> str:
    """Return why ``where`` does not hold; a code or a link that is not there is no error here."""
    try:
        return "" if where(message) else "`where` does not hold"
    except AssertionError as error:
        return f"`where`: {str(error).partition(chr(10))[0]}"
