"""What a test waits for: conditions to match, and words for the failure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.testing.message import CaughtMessage

__all__ = ["Pattern", "Wanted"]

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

    def matches(self, message: CaughtMessage) -> bool:
        """Whether a mail is like that."""
        recipients = {*message.envelope_to, *message.to, *message.cc}
        return (
            (self.to is None or any(_is_address(self.to, each) for each in recipients))
            and (
                self.from_ is None
                or any(_is_address(self.from_, s) for s in (message.from_, message.envelope_from))
            )
            and (self.subject is None or _contains(message.subject, self.subject))
            and (self.text is None or _contains(message.words, self.text))
            and (self.where is None or self.where(message))
        )

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
