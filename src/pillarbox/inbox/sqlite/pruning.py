"""Removes mail: by cap and age, and for good once its undo time is over.

A cap holds within the commit that would break it: the oldest messages leave the list in the same
transaction. Their rows are deleted afterward, a bounded number at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pillarbox.inbox.sqlite.conditions import carray
from pillarbox.inbox.sqlite.index import WordIndex
from pillarbox.inbox.sqlite.transactions import Database
from pillarbox.inbox.values import Cap
from pillarbox.store.port import MessageId
from pillarbox.store.statements import statements

__all__ = ["CHANGE", "Pruning"]

CHANGE: Final = statements("pillarbox.inbox.sqlite", "change.sql")

_AT_ONCE: Final = 500  # mails that one step lets go, or looks at
_PURGED_AT_ONCE: Final = 128  # mails whose rows one step deletes
_MOST_OWED: Final = 1_024  # mails that are gone, and whose rows are still there
_MOST_OCTETS_OWED: Final = 16 * 1024 * 1024  # of these
_SESSIONS_WITHOUT_MAIL: Final = 1_000
_NO_CAP: Final = Cap()
# In this order: whether words are in the index is seen from ``unindexed``.
_TABLES: Final = (
    *("words", "unindexed", "content", "chunk", "summary", "field", "tags", "assessment", "mail"),
)


class Pruning:
    """Holds the inbox to its caps."""

    def __init__(self, database: Database, index: WordIndex, undo_for: float) -> None:
        """Hold ``database`` to no cap yet.

        Args:
            database: Where the mail is.
            index: Forgets what is gone.
            undo_for: Seconds for which what was removed can be brought back.
        """
        self._database = database
        self._index = index
        self._undo_for = undo_for
        self.caps: Mapping[str, Cap] = {}
        self.whole = _NO_CAP
        self._has_rows = True
        self._owed = 0  # mails that went since, and are not purged
        self._octets_owed = 0

    # --- caps -------------------------------------------------------------------------

    def hold(self) -> list[MessageId]:
        """Push out what goes over a cap, all of it; within a transaction."""
        gone: list[MessageId] = []
        total = octets = 0
        for number, name, messages, size in self._database.execute(CHANGE["projects"]).fetchall():
            cap = self.caps.get(name, _NO_CAP)
            pushed, lighter = self._push_out(cap, messages, size, number)
            gone += pushed
            total += messages - len(pushed)
            octets += size - lighter
        pushed, lighter = self._push_out(self.whole, total, octets, None)
        if self.whole.max_octets or self.whole.max_messages:
            self._bound_removals(octets - lighter)
        return gone + pushed

    def _push_out(
        self, cap: Cap, messages: int, octets: int, project: int | None
    ) -> tuple[list[MessageId], int]:
        """Push the oldest out until a cap is held; return which, and their octets."""
        pushed: list[MessageId] = []
        lighter = 0
        while (
            _excess(messages - len(pushed), cap.max_messages) > 0
            or _excess(octets - lighter, cap.max_octets) > 0
        ):
            step: list[MessageId] = []
            before = lighter
            for mail, size, _ in self._oldest(project):
                if (
                    _excess(messages - len(pushed) - len(step), cap.max_messages) <= 0
                    and _excess(octets - lighter, cap.max_octets) <= 0
                ):
                    break
                step.append(mail)
                lighter += size
            if not step:
                break
            self._let_go(step, lighter - before)
            pushed += step
        return pushed, lighter

    def _oldest(self, project: int | None) -> list[tuple[MessageId, int, float]]:
        execute = self._database.execute
        rows: list[tuple[MessageId, int, float]] = (
            execute(CHANGE["oldest"], (_AT_ONCE,))
            if project is None
            else execute(CHANGE["oldest_in_project"], (project, _AT_ONCE))
        ).fetchall()
        return rows

    def _let_go(self, mails: Sequence[MessageId], octets: int) -> None:
        self._database.execute(CHANGE["push_out"], (carray(mails),))
        self._owe(len(mails), octets)

    def _owe(self, mails: int, octets: int) -> None:
        self._has_rows = True
        self._owed += mails
        self._octets_owed += octets

    def _bound_removals(self, listed_octets: int) -> None:
        """Give up the oldest removals when they and the list are more than the caps together."""
        messages, octets = 0, listed_octets
        for number, _at, total, size in self._database.execute(CHANGE["removals"]).fetchall():
            messages += total
            octets += size
            if (
                _excess(messages, self.whole.max_messages) > 0
                or _excess(octets, self.whole.max_octets) > 0
            ):
                self._give_up(number, total, size)

    def _give_up(self, removal: int, mails: int, octets: int) -> None:
        self._database.execute(CHANGE["drop_removal"], (removal,))
        self._database.execute(CHANGE["give_up"], (removal,))
        self._owe(mails, octets)

    # --- time -------------------------------------------------------------------------

    def sweep(self, now: float) -> list[MessageId]:
        """Do what time demands, a bounded amount; return what went."""
        with self._database.transaction(is_synced=False):
            gone = self.hold()
            for number, name, _, _ in self._database.execute(CHANGE["projects"]).fetchall():
                gone += self._age(self.caps.get(name, _NO_CAP).max_age, now, number)
            gone += self._age(self.whole.max_age, now, None)
            for number, at, total, size in self._database.execute(CHANGE["removals"]).fetchall():
                if at <= now - self._undo_for:
                    self._give_up(number, total, size)
            self._database.execute(CHANGE["trim_transcripts"], (_SESSIONS_WITHOUT_MAIL,))
            self._database.execute(CHANGE["drop_idle_tags"])
        return gone

    def _age(self, longest: float, now: float, project: int | None) -> list[MessageId]:
        if not longest:
            return []
        old = [(mail, size) for mail, size, at in self._oldest(project) if at < now - longest]
        mails = [mail for mail, _ in old]
        if old:
            self._let_go(mails, sum(size for _, size in old))
        return mails

    # --- rows -------------------------------------------------------------------------

    @property
    def has_rows(self) -> bool:
        """Whether there may be rows of mail that is gone."""
        return self._has_rows

    @property
    def is_far_behind(self) -> bool:
        """Whether mail goes quicker than its rows are deleted."""
        return self._owed > _MOST_OWED or self._octets_owed > _MOST_OCTETS_OWED

    def step(self) -> None:
        """Delete the rows of some mail that is gone."""
        with self._database.transaction(is_synced=False):
            rows = self._database.execute(CHANGE["to_purge"], (_PURGED_AT_ONCE,)).fetchall()
            mails = [mail for mail, _ in rows]
            if mails:
                ids: Any = carray(mails)
                for table in _TABLES:
                    self._database.execute(CHANGE[f"purge_{table}"], (ids,))
        self._has_rows = bool(mails)
        self._owed = max(self._owed - len(mails), 0) if mails else 0
        purged = sum(size for _, size in rows)
        self._octets_owed = max(self._octets_owed - purged, 0) if mails else 0
        self._index.forget(mails)


def _excess(amount: int, cap: int) -> int:
    return amount - cap if cap else 0
