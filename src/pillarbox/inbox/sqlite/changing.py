"""Changes to messages: read state, tags, removal and restoration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pillarbox.inbox.sqlite.conditions import carray
from pillarbox.inbox.sqlite.connection import SQL
from pillarbox.inbox.sqlite.finding import Finding
from pillarbox.inbox.sqlite.keeping import number_of_tag
from pillarbox.inbox.sqlite.pruning import CHANGE, Pruning
from pillarbox.inbox.sqlite.rows import clean_tags
from pillarbox.inbox.sqlite.transactions import Database
from pillarbox.inbox.values import Removed, Selection
from pillarbox.search.folding import fold
from pillarbox.store.port import MessageId

__all__ = ["Changing"]

_MOST_DIGITS: Final = 18  # of what SQLite can count to


class Changing:
    """Changes the selected mails; each change is one transaction."""

    def __init__(self, database: Database, finding: Finding, pruning: Pruning) -> None:
        """Change mail of ``database``, which ``finding`` finds."""
        self._database = database
        self._finding = finding
        self._pruning = pruning

    def mark(self, selection: Selection, *, is_read: bool) -> tuple[MessageId, ...]:
        """Mark as read or unread; return what changed."""
        ids = carray(self._finding.ids(selection))
        with self._database.transaction():
            return self._changed(CHANGE["mark"], (int(is_read), ids))

    # --- tags -------------------------------------------------------------------------

    def tag(
        self, selection: Selection, add: Sequence[str], remove: Sequence[str]
    ) -> tuple[MessageId, ...]:
        """Put tags on mails and take others off; return what changed."""
        ids = self._finding.ids(selection)
        with self._database.transaction():
            changed = self._put_tags(ids, clean_tags(add))
            for tag in clean_tags(remove):
                changed += self._changed(CHANGE["take_tag_off"], (fold(tag), carray(ids)))
        return tuple(sorted({*changed}))

    def set_tags(self, selection: Selection, tags: Sequence[str]) -> tuple[MessageId, ...]:
        """Give mails these tags and no others; return what changed."""
        ids = self._finding.ids(selection)
        with self._database.transaction():
            wanted = clean_tags(tags)
            numbers = carray([number_of_tag(self._database, tag) for tag in wanted])
            changed = self._changed(CHANGE["other_tags"], (carray(ids), numbers))
            changed += self._put_tags(ids, wanted)
        return tuple(sorted({*changed}))

    def rename_tag(self, old: str, new: str | None) -> int:
        """Rename a tag everywhere, or remove it; return how many listed mails had it."""
        execute = self._database.execute
        wanted = clean_tags(() if new is None else (new,))
        with self._database.transaction():
            row = execute(SQL["find_tag"], (fold(old),)).fetchone()
            if row is None:
                return 0
            (number,) = row
            count: int = execute(CHANGE["count_listed_with_tag"], (number,)).fetchone()[0]
            if not wanted:
                execute(CHANGE["drop_tag_from_all"], (number,))
            elif (other := number_of_tag(self._database, wanted[0])) != number:
                mails = self._database.column(CHANGE["mails_with_tag"], (number,))
                self._database.many(SQL["put_tag"], [(mail, other) for mail in mails])
                execute(CHANGE["drop_tag_from_all"], (number,))
            else:  # only its capitals
                execute(CHANGE["rename_tag"], (wanted[0], number))
        return count

    def _put_tags(self, ids: Sequence[int], tags: Sequence[str]) -> tuple[MessageId, ...]:
        changed: tuple[MessageId, ...] = ()
        for tag in tags if ids else ():
            number = number_of_tag(self._database, tag)
            changed += self._changed(CHANGE["put_tag"], (number, carray(ids), number))
        return changed

    # --- removing ---------------------------------------------------------------------

    def remove(self, selection: Selection, now: float) -> Removed:
        """Remove mails; they can be restored for a while."""
        ids = self._finding.ids(selection)
        if not ids:
            return Removed(undo="", ids=())
        execute = self._database.execute
        with self._database.transaction():
            (number,) = execute(CHANGE["add_removal"], (now,)).fetchone()
            sizes = self._database.column(CHANGE["remove"], (number, carray(ids)))
            execute(CHANGE["size_removal"], (len(sizes), sum(sizes), number))
            self._pruning.hold()
        return Removed(undo=str(number), ids=tuple(map(MessageId, ids)))

    def restore(self, undo: str) -> tuple[tuple[MessageId, ...], tuple[MessageId, ...]]:
        """Restore removed mails; return them, and the mails that caps removed in exchange."""
        number = _number(undo)
        if not number:
            return (), ()
        with self._database.transaction():
            back = self._changed(CHANGE["restore"], (number,))
            self._database.execute(CHANGE["drop_removal"], (number,))
            gone = frozenset(self._pruning.hold()) if back else frozenset()
        return tuple(mail for mail in back if mail not in gone), tuple(gone.difference(back))

    # --- what belongs to mail ---------------------------------------------------------

    def write(self, name: str, *values: object) -> None:
        """Execute a statement of ``keep.sql`` by itself."""
        with self._database.transaction():
            self._database.execute(SQL[name], values)

    def _changed(self, statement: str, values: Sequence[object]) -> tuple[MessageId, ...]:
        return tuple(sorted(map(MessageId, self._database.column(statement, values))))


def _number(undo: str) -> int:
    """Return the number of a removal; 0, which is never used, if the text is not its name."""
    is_number = undo.isascii() and undo.isdecimal() and len(undo) <= _MOST_DIGITS
    return int(undo) if is_number else 0
