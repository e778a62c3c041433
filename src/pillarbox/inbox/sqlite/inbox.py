"""The inbox in one SQLite file, or in memory.

All work is done in one thread with one connection, in the order of the calls. With a file, a
commit returns only after it was synced (``synchronous=FULL``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.inbox.port import Labeler
from pillarbox.inbox.sqlite.connection import IN_MEMORY
from pillarbox.inbox.sqlite.keeping import no_label
from pillarbox.inbox.sqlite.opened import Opened
from pillarbox.inbox.values import Cap, Counts, Page, Removed, Selection, Summary, TagCount
from pillarbox.search.query import Query
from pillarbox.store.port import Batch, MessageId, StoreUnavailable
from pillarbox.store.sqlite.connection import FileLock, check_library
from pillarbox.store.sqlite.worker import Worker

__all__ = ["SqliteInbox"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_TIDY_AFTER: Final = 0.1  # seconds: with more mails at once, the full-text index is merged less


@dataclass(frozen=True, slots=True)
class _Session:
    """The state of an open inbox."""

    lock: FileLock | None  # None of memory
    worker: Worker
    opened: Opened


class SqliteInbox:
    """Stores caught mail in a file or in memory."""

    def __init__(
        self, path: Path | None, *, now: Callable[[], float], undo_for: float = 600.0
    ) -> None:
        """Store mail at ``path``.

        Args:
            path: The file; created, with its directory, if it does not exist. None: in memory.
            now: The wall clock.
            undo_for: Seconds for which removed mail can be restored.
        """
        self._path = IN_MEMORY if path is None else path
        self._now = now
        self._undo_for = undo_for
        self._session: _Session | None = None
        self._labeler: Labeler = no_label
        self._caps: Mapping[str, Cap] = {}
        self._whole = Cap()
        self._kept_listeners: list[Callable[[Sequence[Summary]], None]] = []
        self._gone_listeners: list[Callable[[Sequence[MessageId]], None]] = []
        self._tidying: asyncio.Task[None] | None = None

    # --- life -------------------------------------------------------------------------

    @property
    def has_failed(self) -> bool:
        """Whether the disk has failed, so that nothing is written until the inbox is reopened."""
        return self._session is not None and bool(self._session.opened.database.guard.reason)

    async def open(self) -> None:
        """Open the inbox, and create it if it does not exist."""
        check_library()
        lock = None if self._path == IN_MEMORY else _lock(self._path)
        worker = Worker("inbox")
        try:
            opened = await worker.run(Opened, self._path, self._undo_for, self._now())
        except BaseException:
            worker.stop()
            if lock is not None:
                lock.release()
            raise
        self._session = _Session(lock, worker, opened)
        worker.afterward = opened.keep_up
        opened.keeping.labeler = self._labeler
        self.hold_to(self._caps, self._whole)
        self._tidy_soon()

    async def close(self) -> None:
        """Close the inbox; mail in memory is lost. Safe to call twice."""
        if self._session is None:
            return
        session, self._session = self._session, None
        if self._tidying is not None:
            self._tidying.cancel()
        session.worker.afterward = None
        try:
            await session.worker.run(session.opened.close)
        finally:
            session.worker.stop()
            if session.lock is not None:
                session.lock.release()

    async def free_octets(self) -> int | None:
        """Return the free octets on its disk, or None if it is in memory."""
        return await self._run(lambda opened: opened.database.free_octets())

    def hold_to(self, caps: Mapping[str, Cap], whole: Cap) -> None:
        """Apply these caps to projects (by name) and the inbox from the next commit on."""
        self._caps, self._whole = dict(caps), whole
        if self._session is not None:
            pruning = self._session.opened.pruning
            pruning.caps, pruning.whole = self._caps, whole

    def label_with(self, labeler: Labeler) -> None:
        """Call ``labeler`` once for each mail, before it is stored."""
        self._labeler = labeler
        if self._session is not None:
            self._session.opened.keeping.labeler = labeler

    def on_kept(self, listener: Callable[[Sequence[Summary]], None]) -> None:
        """Call ``listener`` on the loop with the mails of each commit."""
        self._kept_listeners.append(listener)

    def on_gone(self, listener: Callable[[Sequence[MessageId]], None]) -> None:
        """Call ``listener`` on the loop with mails removed by caps and ages."""
        self._gone_listeners.append(listener)

    # --- keeping ----------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Store the messages of a batch, all or nothing; results and journals are not used here."""
        if not batch.keep:
            return
        kept, gone = await self._run(Opened.commit, batch.keep)
        self._tidy_soon()
        pushed, here = frozenset(gone), frozenset(summary.id for summary in kept)
        _tell(self._kept_listeners, tuple(each for each in kept if each.id not in pushed))
        _tell(self._gone_listeners, tuple(mail for mail in gone if mail not in here))

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large content, before its message is stored."""
        await self._run(lambda opened: opened.keeping.write_chunk(message, number, chunk))

    async def discard_chunks(self, message: MessageId) -> None:
        """Delete the chunks of a message that will not be stored."""
        await self._run(lambda opened: opened.keeping.discard_chunks(message))

    # --- looking ----------------------------------------------------------------------

    async def find(
        self,
        query: Query | None = None,
        *,
        project: str | None = None,
        limit: int = 50,
        start: int = 0,
        before: MessageId | None = None,
    ) -> Page:
        """Return mails newest first."""
        selection = Selection(query=query, project=project)
        return await self._run(lambda opened: opened.finding.page(selection, limit, start, before))

    async def matching(self, selection: Selection) -> frozenset[MessageId]:
        """Return the ids of the selected mails."""
        ids = await self._run(lambda opened: opened.finding.ids(selection))
        return frozenset(map(MessageId, ids))

    async def summary(self, message: MessageId) -> Summary | None:
        """Return one mail's row."""
        return await self._run(lambda opened: opened.finding.summary(message))

    async def content(self, message: MessageId) -> bytes | None:
        """Return one mail's octets."""
        return await self._run(lambda opened: opened.finding.content(message))

    async def tags(self, project: str | None = None) -> tuple[TagCount, ...]:
        """Return the tags in use, by name."""
        return await self._run(lambda opened: opened.finding.tags(project))

    async def counts(self, project: str | None = None) -> Counts:
        """Return the usage of a project, or of the whole inbox."""
        return await self._run(lambda opened: opened.finding.counts(project))

    async def transcript(self, session: str) -> bytes | None:
        """Return the recorded SMTP session."""
        return await self._run(lambda opened: opened.finding.one_value("transcript", session))

    async def assessment(self, message: MessageId) -> bytes | None:
        """Return a mail's last assessment, or None."""
        return await self._run(lambda opened: opened.finding.one_value("assessment", message))

    # --- changing ---------------------------------------------------------------------

    async def mark(self, selection: Selection, *, is_read: bool) -> tuple[MessageId, ...]:
        """Mark as read or unread; return what changed."""
        return await self._run(lambda opened: opened.changing.mark(selection, is_read=is_read))

    async def tag(
        self, selection: Selection, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> tuple[MessageId, ...]:
        """Put tags on mails and take others off; return what changed."""
        return await self._run(lambda opened: opened.changing.tag(selection, add, remove))

    async def set_tags(self, selection: Selection, tags: Sequence[str]) -> tuple[MessageId, ...]:
        """Give mails these tags and no others; return what changed."""
        return await self._run(lambda opened: opened.changing.set_tags(selection, tags))

    async def rename_tag(self, old: str, new: str | None) -> int:
        """Rename a tag everywhere, or with None remove it; return how many mails had it."""
        return await self._run(lambda opened: opened.changing.rename_tag(old, new))

    async def remove(self, selection: Selection) -> Removed:
        """Remove mails; they can be restored for a while."""
        now = self._now()
        return await self._run(lambda opened: opened.changing.remove(selection, now))

    async def restore(self, undo: str) -> tuple[MessageId, ...]:
        """Restore removed mails; return what was restored."""
        back, gone = await self._run(lambda opened: opened.changing.restore(undo))
        _tell(self._gone_listeners, gone)
        return back

    async def keep_transcripts(self, transcripts: Mapping[str, bytes]) -> None:
        """Store recorded SMTP sessions by name, replacing existing ones."""
        await self._run(lambda opened: opened.keeping.write_transcripts(transcripts))

    async def keep_assessment(self, message: MessageId, assessment: bytes) -> None:
        """Store the assessment of a mail."""
        await self._run(
            lambda opened: opened.changing.write("keep_assessment", assessment, message)
        )

    # --- upkeep -----------------------------------------------------------------------

    async def sweep(self, *, now: float) -> tuple[MessageId, ...]:
        """Do a bounded amount of upkeep; return what was removed, which listeners know already."""
        gone = await self._run(lambda opened: opened.pruning.sweep(now))
        self._tidy_soon()
        _tell(self._gone_listeners, gone)
        return tuple(gone)

    # --- projects ---------------------------------------------------------------------

    async def settings(self, kind: str) -> dict[str, bytes]:
        """Return small values by name."""
        return await self._run(lambda opened: opened.finding.settings(kind))

    async def put_setting(self, kind: str, name: str, value: bytes | None) -> None:
        """Write one; with None remove it."""
        if value is None:
            await self._run(lambda opened: opened.changing.write("drop_setting", kind, name))
        else:
            await self._run(lambda opened: opened.changing.write("put_setting", kind, name, value))

    async def records(self, kind: str) -> dict[str, bytes]:
        """Return the records of one kind, the oldest first."""
        return await self._run(lambda opened: opened.finding.records(kind))

    async def put_records(self, kind: str, records: Mapping[str, bytes | None]) -> None:
        """Store records, and delete those that are None."""
        await self._run(lambda opened: opened.keeping.write_records(kind, records))

    # --- the thread -------------------------------------------------------------------

    @property
    def _open(self) -> _Session:
        if self._session is None:
            raise StoreUnavailable(f"the inbox {self._path} is not open")
        return self._session

    async def _run(
        self, function: Callable[Concatenate[Opened, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a function in the inbox's thread."""
        session = self._open
        return await session.worker.run(function, session.opened, *args, **kwargs)

    def _tidy_soon(self) -> None:
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().create_task(self._tidy())

    async def _tidy(self) -> None:
        """Let the thread do deferred work when it is idle."""
        worker = self._open.worker
        try:
            is_more = True
            while is_more:
                await asyncio.sleep(_TIDY_AFTER)
                is_more = await self._run(Opened.tidy, lambda: not worker.has_waiting)
        except PillarboxError:
            return  # closed meanwhile; or it failed, which the next caller will see
        finally:
            self._tidying = None


def _tell(listeners: Sequence[Callable[[Sequence[_T]], None]], what: Sequence[_T]) -> None:
    """Notify all listeners, if there is news; a listener's error does not affect the inbox."""
    for listener in listeners if what else ():
        try:
            listener(what)
        except Exception as defect:  # noqa: BLE001 - the mail is kept, and its sender must hear so
            context = {"message": "a listener of the inbox", "exception": defect}
            asyncio.get_running_loop().call_exception_handler(context)


def _lock(path: Path) -> FileLock:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(path)
    except OSError as error:
        raise PermanentError(f"cannot open {path}: {error}") from error
