"""The full-text index, which is filled with a small delay.

A commit does not wait for it: messages not yet indexed wait in memory, and after a crash their
content is read again. A search first indexes the rest, so that it sees all earlier mail; the rest
is small and bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from pillarbox.inbox.sqlite.conditions import carray
from pillarbox.inbox.sqlite.connection import SQL
from pillarbox.inbox.sqlite.rows import Arrived, Words
from pillarbox.inbox.sqlite.transactions import Database

__all__ = ["WordIndex"]

_AT_ONCE: Final = 256  # mails in one transaction: with fewer, the index is merged more often
_MOST_WAITING: Final = 512  # mails
_MOST_CHARACTERS: Final = 8 * 1024 * 1024  # of these


class WordIndex:
    """Tracks mail that is not indexed yet, and indexes it."""

    def __init__(self, database: Database, read_again: Callable[[int], Words]) -> None:
        """Start with the unindexed mail of an earlier process.

        Args:
            database: Where it is.
            read_again: Returns the words of a stored mail.
        """
        self._database = database
        self._read_again = read_again
        self._characters = 0
        self._waiting: dict[int, Words | None] = dict.fromkeys(database.column(SQL["unindexed"]))

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    @property
    def is_far_behind(self) -> bool:
        """Whether indexing is urgent."""
        return len(self._waiting) > _MOST_WAITING or self._characters > _MOST_CHARACTERS

    def add(self, mails: Iterable[Arrived]) -> None:
        """Add stored mails that are in table ``unindexed``."""
        for arrived in mails:
            self._waiting[arrived.message.id] = arrived.words
            self._characters += sum(map(len, arrived.words))

    def forget(self, mails: Iterable[int]) -> None:
        """Drop mails that were removed."""
        for mail in mails:
            self._characters -= sum(map(len, self._waiting.pop(mail, None) or ()))

    def step(self) -> None:
        """Index some of what waits."""
        mails = list(islice(self._waiting, _AT_ONCE))
        rows = [(mail, *(self._waiting[mail] or self._read_again(mail))) for mail in mails]
        with self._database.transaction(is_synced=False):
            self._database.many(SQL["index_words"], rows)
            self._database.execute(SQL["indexed"], (carray(mails),))
        self.forget(mails)

    def catch_up(self) -> None:
        """Index all that waits."""
        while self._waiting:
            self.step()
