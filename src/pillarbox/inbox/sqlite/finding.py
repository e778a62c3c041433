"""Lists, searches and loads messages."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from pillarbox.inbox.sqlite.conditions import SQL, Conditions, carray, conditions
from pillarbox.inbox.sqlite.connection import SQL as KEEP
from pillarbox.inbox.sqlite.index import WordIndex
from pillarbox.inbox.sqlite.rows import read_summary
from pillarbox.inbox.sqlite.transactions import Database
from pillarbox.inbox.values import Counts, Page, Selection, Summary, TagCount
from pillarbox.store.ids import show_id
from pillarbox.store.port import BodyDamaged, MessageId

__all__ = ["Finding"]

_MOST: Final = 2**62  # of anything that is counted


class Finding:
    """Reads mail."""

    def __init__(self, database: Database, index: WordIndex) -> None:
        """Read from ``database``, whose full-text index is ``index``."""
        self._database = database
        self._index = index

    def page(self, selection: Selection, limit: int, start: int, before: MessageId | None) -> Page:
        """Return a part of a list."""
        limit, start = (min(max(number, 0), _MOST) for number in (limit, start))
        found = self._prepare(selection, before)
        with self._database.reading():
            ids = self._database.column(found.complete("page"), (*found.values, limit + 1, start))
            summaries = self._summaries(ids[:limit])
            if start == 0 and before is None and len(ids) <= limit:  # these are all
                total = len(summaries)
                unread = sum(not summary.is_read for summary in summaries)
            else:
                whole = conditions(selection) if before is not None else found
                total, unread = self._count(selection, whole)
        return Page(summaries=summaries, total=total, unread=unread, has_more=len(ids) > limit)

    def ids(self, selection: Selection) -> list[int]:
        """Return which mails of the list a selection means."""
        found = self._prepare(selection)
        with self._database.reading():
            return self._database.column(found.complete("select_ids"), found.values)

    def summary(self, message: MessageId) -> Summary | None:
        """Return one mail's row."""
        with self._database.reading():
            found = self._summaries([message], SQL["one"])
        return found[0] if found else None

    def content(self, message: MessageId) -> bytes | None:
        """Return one mail's octets, if they are what was kept."""
        with self._database.reading():
            row = self._database.execute(SQL["check"], (message,)).fetchone()
            octets = self.octets(message) if row else b""
        if row is None:
            return None
        if row != (len(octets), zlib.crc32(octets)):
            raise BodyDamaged(f"the content of mail {show_id(message)} is damaged")
        return octets

    def octets(self, mail: int) -> bytes:
        """Return the octets of a mail as they stand."""
        whole: bytes | None = self._database.execute(SQL["content"], (mail,)).get
        if whole is not None:
            return whole
        return b"".join(self._database.column(KEEP["read_chunks"], (mail,)))

    def tags(self, project: str | None) -> tuple[TagCount, ...]:
        """Return the tags in use, by name."""
        with self._database.reading():
            rows = (
                self._database.execute(SQL["tags"])
                if project is None
                else self._database.execute(SQL["tags_in_project"], (project,))
            ).fetchall()
        return tuple(TagCount(*row) for row in rows)

    def counts(self, project: str | None) -> Counts:
        """Say how full a project, or all of it, is."""
        with self._database.reading():
            row = (
                self._database.execute(SQL["counts"])
                if project is None
                else self._database.execute(SQL["counts_in_project"], (project,))
            ).fetchone()
        total, unread, octets, oldest_at = row or (0, 0, 0, None)
        return Counts(total=total, unread=unread, octets=octets, oldest_at=oldest_at)

    def one_value(self, name: str, key: object) -> bytes | None:
        """Return what a statement with one key finds."""
        with self._database.reading():
            row = self._database.execute(SQL[name], (key,)).fetchone()
        return row[0] if row and row[0] else None

    def settings(self, kind: str) -> dict[str, bytes]:
        """Return small values by name."""
        with self._database.reading():
            return dict(self._database.execute(SQL["settings"], (kind,)).fetchall())

    def records(self, kind: str) -> dict[str, bytes]:
        """Return records by name, in the order in which they began."""
        with self._database.reading():
            return dict(self._database.execute(SQL["records"], (kind,)).fetchall())

    def _prepare(self, selection: Selection, before: MessageId | None = None) -> Conditions:
        found = conditions(selection, before=before)
        if found.needs_words:
            self._index.catch_up()
        return found

    def _count(self, selection: Selection, found: Conditions) -> tuple[int, int]:
        """Return how many match, and how many of them are unread."""
        if selection.ids is None and not (selection.query and selection.query.terms):
            counts = self.counts(selection.project)
            return counts.total, counts.unread
        row: tuple[int, int] = self._database.execute(
            found.complete("count_page"), found.values
        ).fetchone()
        return row

    def _summaries(self, ids: Sequence[int], statement: str | None = None) -> tuple[Summary, ...]:
        """Return the rows of mails in the order of their ids."""
        key = carray(ids) if statement is None else ids[0]
        rows = self._database.execute(statement or SQL["rows"], (key,)).fetchall()
        tags: dict[int, list[str]] = {}
        if any(count for _, _, count, _ in rows):
            for mail, tag in self._database.execute(SQL["tags_of"], (carray(ids),)).fetchall():
                tags.setdefault(mail, []).append(tag)
        found = {
            mail: read_summary(mail, is_read, facts, tags.get(mail, ()))
            for mail, is_read, _, facts in rows
        }
        return tuple(found[mail] for mail in ids if mail in found)
