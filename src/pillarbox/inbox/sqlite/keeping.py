"""Writes the door's batches, and large contents ahead of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import apsw

from pillarbox.errors import PermanentError
from pillarbox.inbox.port import Labeler
from pillarbox.inbox.sqlite.connection import SQL
from pillarbox.inbox.sqlite.reading import read_content
from pillarbox.inbox.sqlite.rows import Arrived, take_in
from pillarbox.inbox.sqlite.transactions import Database
from pillarbox.inbox.values import Label
from pillarbox.message.summary import MailSummary
from pillarbox.search.folding import fold
from pillarbox.store.ids import first_id_at, show_id
from pillarbox.store.port import KeptMessage, MessageId

__all__ = ["Keeping", "no_label", "number_of_tag"]

_LONGEST_TRANSFER: Final = 86_400.0  # seconds after which nobody is still sending a content
_LISTED, _UNREAD, _NO_TAGS, _NO_MAIL_YET = 0, 0, 0, 0


def no_label(_message: KeptMessage, summary: MailSummary) -> Label:
    """Put a mail into the default project, with the tags that its header asks for."""
    return Label(tags=summary.tags_header)


class Keeping:
    """Writes mail."""

    def __init__(self, database: Database) -> None:
        """Write to ``database``."""
        self.labeler: Labeler = no_label
        self._database = database
        self._projects: dict[str, int] = {}

    def read(self, messages: Iterable[KeptMessage]) -> list[Arrived]:
        """Find out what is kept of each mail.

        Raises:
            PermanentError: A large content was not written before.
        """
        found = []
        for message in messages:
            content = self._chunks(message.id) if message.content is None else message.content
            summary = read_content(content)
            found.append(take_in(message, summary, self.labeler(message, summary)))
        return found

    def write(self, mails: Sequence[Arrived]) -> None:
        """Write mails; within a transaction."""
        many = self._database.many
        self._projects.clear()  # a transaction that failed may have left what is not there
        sessions = self._sessions(arrived.message.session for arrived in mails)
        many(SQL["keep_mail"], [self._row(arrived, sessions) for arrived in mails])
        many(SQL["keep_summary"], [(a.message.id, a.facts) for a in mails])
        many(SQL["keep_field"], [(a.message.id, *a.fields) for a in mails])
        many(
            SQL["keep_content"],
            [(m.id, m.content) for m in (a.message for a in mails) if m.content is not None],
        )
        many(SQL["keep_unindexed"], [(a.message.id,) for a in mails])
        tags = {tag for arrived in mails for tag in arrived.summary.tags}
        numbers = {tag: number_of_tag(self._database, tag) for tag in tags}
        many(
            SQL["put_tag"],
            [(a.message.id, numbers[tag]) for a in mails for tag in a.summary.tags],
        )

    def _sessions(self, names: Iterable[str]) -> dict[str, int]:
        """Return the numbers of sessions, which are given one if they have none."""
        named = tuple({name for name in names if name})
        if not named:
            return {}
        rows = [(name, _NO_MAIL_YET, b"") for name in named]
        self._database.many(SQL["add_transcript"], rows)
        found = self._database.execute(SQL["find_transcripts"], (apsw.carray(named),))
        return dict(found.fetchall())

    def _row(self, arrived: Arrived, sessions: Mapping[str, int]) -> tuple[Any, ...]:
        message, summary = arrived.message, arrived.summary
        project, session = summary.project, message.session
        if project not in self._projects:
            self._projects[project] = self._database.find_or_add(
                SQL, "project", (project,), (project,)
            )
        return (
            *(message.id, self._projects[project], _LISTED, _UNREAD, message.accepted_at),
            *(message.size, message.checksum, summary.attachments, summary.inlines, _NO_TAGS),
            sessions.get(session),
        )

    # --- large contents ---------------------------------------------------------------

    def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one part of a large content; the commit of its mail puts it on disk."""
        with self._database.transaction(is_synced=False):
            self._database.execute(SQL["write_chunk"], (message, number, chunk))

    def discard_chunks(self, message: MessageId) -> None:
        """Forget the parts of what will not be kept."""
        with self._database.transaction(is_synced=False):
            self._database.execute(SQL["discard_chunks"], (message,))

    def discard_orphans(self, now: float) -> None:
        """Forget the parts that were written for what was never kept."""
        with self._database.transaction(is_synced=False):
            before = first_id_at(now - _LONGEST_TRANSFER)
            self._database.execute(SQL["discard_orphans"], (before,))

    def _chunks(self, message: MessageId) -> bytes:
        with self._database.reading():
            parts = self._database.column(SQL["read_chunks"], (message,))
        if not parts:
            raise PermanentError(f"message {show_id(message)} has no content")
        return b"".join(parts)

    # --- sessions ---------------------------------------------------------------------

    def write_transcripts(self, transcripts: Mapping[str, bytes]) -> None:
        """Write sessions as far as they have gone; the next commit puts them on disk."""
        with self._database.transaction(is_synced=False):
            rows = [(session, _NO_MAIL_YET, octets) for session, octets in transcripts.items()]
            self._database.many(SQL["write_transcript"], rows)

    def write_records(self, kind: str, records: Mapping[str, bytes | None]) -> None:
        """Write records, and forget those that are None; the next commit puts them on disk."""
        with self._database.transaction(is_synced=False):
            for name in (name for name, octets in records.items() if octets is None):
                self._database.execute(SQL["drop_record"], (kind, name))
            rows = [(kind, name, each) for name, each in records.items() if each is not None]
            self._database.many(SQL["put_record"], rows)


def number_of_tag(database: Database, tag: str) -> int:
    """Return the number of a tag, which is given one if it has none."""
    folded = fold(tag)
    return database.find_or_add(SQL, "tag", (folded,), (folded, tag))
