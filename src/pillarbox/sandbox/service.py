"""The sandbox as everyone sees it who looks at caught mail: pages, API, POP3, tests.

Every change goes through here, so that all observers are told of it (``changes``). Methods raise
``PillarboxError``s, whose sentences may be shown.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pillarbox import __version__
from pillarbox.clock import Clock
from pillarbox.config.settings.sandbox import SandboxSettings
from pillarbox.errors import PermanentError
from pillarbox.inbox.port import Inbox
from pillarbox.inbox.values import Cap, Page, Removed, Selection, Summary, TagCount
from pillarbox.message.mail import Mail, read_mail
from pillarbox.sandbox.annotations import annotated
from pillarbox.sandbox.changes import Change, ChangeKind, Changes
from pillarbox.sandbox.info import Addresses, Info, Statistics
from pillarbox.sandbox.ingest import Ingestion
from pillarbox.sandbox.journal import Journal
from pillarbox.sandbox.projects import Project, ProjectRejected, Projects
from pillarbox.sandbox.recording import Book
from pillarbox.sandbox.tagging import Labels, Tagger, TagRule, clean_tag, read_tag_rules
from pillarbox.sandbox.transcript import Transcript, decode, transcribe
from pillarbox.sandbox.upkeep import Upkeep
from pillarbox.search.language import parse_query
from pillarbox.search.query import Query
from pillarbox.store.port import MessageId

if TYPE_CHECKING:
    from pillarbox.preflight import Assessment
    from pillarbox.sandbox.failing import Failing
    from pillarbox.sandbox.judging import Judging
    from pillarbox.sandbox.release import Released, Releaser
    from pillarbox.sandbox.webhooks import Webhooks

__all__ = ["Sandbox"]

_T = TypeVar("_T")

_REMEMBERED_MAILS: Final = 32  # parsed
_REMEMBERED_SIZE: Final = 1024 * 1024  # octets; larger ones are parsed anew
_PARSED_ASIDE: Final = 128 * 1024  # octets from which on parsing would hold up everyone else
_BETWEEN_LOOKS: Final = 0.02  # seconds, at least, of one who waits for a mail
_PAGE: Final = 4096  # octets


class Sandbox:
    """Caught mail, and what can be done with it."""

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        inbox: Inbox,
        projects: Projects,
        book: Book,
        clock: Clock,
        database: Path | None,
        on_defect: Callable[[str, BaseException], None],
    ) -> None:
        """Prepare a sandbox; ``start`` opens its inbox.

        Args:
            settings: The configuration.
            inbox: Where caught mail is kept.
            projects: The isolated inboxes.
            book: Records sessions.
            clock: The time.
            database: The file in which the inbox is; None: memory.
            on_defect: Hears of errors that nobody expects.

        Raises:
            PermanentError: Something in the configuration cannot be used.
        """
        self.settings = settings
        self.inbox = inbox
        self.projects = projects
        self.changes = Changes()
        self.clock = clock
        self.addresses = Addresses()
        self.offers_starttls = False
        self.failing: Failing
        self.releaser: Releaser | None = None
        self.judging: Judging | None = None
        self.webhooks: Webhooks
        self.ingestion: Ingestion | None = None
        self._book = book
        self._database = database
        self._upkeep = Upkeep(inbox, book, clock, on_defect, survives=database is not None)
        self._tagger = Tagger(
            read_tag_rules(settings, clock.now()),
            tag=lambda selection, tag: self.tag(selection, add=(tag,)),
            now=clock.now,
            start=self._upkeep.run,
            tagged=self._tagged,
        )
        self._caught_listeners: list[Callable[[Sequence[Summary]], None]] = []
        self._mails: OrderedDict[MessageId, Mail] = OrderedDict()
        self._started_at = clock.now()
        self._removed = 0
        self._pruned = 0
        inbox.label_with(Labels(settings, projects))
        inbox.on_kept(self._kept)
        inbox.on_gone(self._gone)
        projects.on_change(self._projects_changed)

    # --- life ------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the inbox, and keep it up from now on.

        Raises:
            PillarboxError: It cannot be opened.
        """
        self._hold()
        await self.inbox.open()
        await self.projects.load(self.inbox)
        self._started_at = self.clock.now()
        self._upkeep.start()

    async def stop(self) -> None:
        """Write what waits to be written, and close the inbox. Safe to call twice."""
        await self._upkeep.stop()
        await self.inbox.close()

    def on_caught(self, listener: Callable[[Sequence[Summary]], None]) -> None:
        """Have ``listener`` called with new mail once it has the tags that searches give it."""
        self._caught_listeners.append(listener)

    def journal(self, kind: str, record: type[_T]) -> Journal[_T]:
        """Return where records of a kind survive a restart, if the inbox is a file."""
        return self._upkeep.journal(kind, record)

    def use(self, settings: SandboxSettings, rules: Sequence[TagRule]) -> None:
        """Go by other settings from now on: caps, the label, and what gives tags.

        Args:
            settings: The configuration.
            rules: The rules for tags in it.
        """
        self.settings = settings
        self.inbox.label_with(Labels(settings, self.projects))
        self._tagger.use(rules)
        self._hold()

    # --- looking ---------------------------------------------------------------------

    async def find(
        self,
        query: Query | str | None = None,
        *,
        project: str | None = None,
        limit: int = 50,
        start: int = 0,
        before: MessageId | None = None,
    ) -> Page:
        """Return mails newest first, as ``Inbox.find``; a text is parsed as a search."""
        return await self.inbox.find(
            self.query(query), project=project, limit=limit, start=start, before=before
        )

    def query(self, query: Query | str | None) -> Query | None:
        """Return what a text asks for.

        Raises:
            QueryError: It cannot be meant.
        """
        return parse_query(query, now=self.clock.now()) if isinstance(query, str) else query

    async def summary(self, message: MessageId) -> Summary | None:
        """Return one mail's row."""
        return await self.inbox.summary(message)

    async def content(self, message: MessageId) -> bytes | None:
        """Return one mail's octets, with the trace field that was added when it was caught."""
        return await self.inbox.content(message)

    async def mail(self, message: MessageId) -> Mail | None:
        """Return one mail, parsed; the last few are remembered."""
        known = self._mails.get(message)
        octets = None
        if known is None or await self.inbox.summary(message) is None:
            self._mails.pop(message, None)
            octets = await self.inbox.content(message)
            if octets is None:
                return None
            known = await _parsed(octets)
        if octets is None or len(octets) <= _REMEMBERED_SIZE:
            self._mails[message] = known
            self._mails.move_to_end(message)
            if len(self._mails) > _REMEMBERED_MAILS:
                self._mails.popitem(last=False)
        return known

    async def latest(
        self, query: Query | str | None = None, *, project: str | None = None
    ) -> Summary | None:
        """Return the newest mail that a search finds."""
        page = await self.find(query, project=project, limit=1)
        return page.summaries[0] if page.summaries else None

    async def wait_for(
        self,
        query: Query | str | None = None,
        *,
        project: str | None = None,
        timeout: float,  # noqa: ASYNC109 - it is what callers mean
        after: MessageId | None = None,
    ) -> Summary | None:
        """Return the newest mail that a search finds, waiting for one where none is there yet.

        Args:
            query: What it has to match.
            project: Where.
            timeout: Seconds to wait.
            after: Only mail caught after this one.

        Returns:
            The mail, or None when the time is over.
        """
        asked = self.query(query)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        # Who subscribes before looking misses nothing in between.
        async with self.changes.subscribe() as changes:
            found = await self.latest(asked, project=project)
            while found is None or (after is not None and found.id <= after):
                looked_at = loop.time()
                if looked_at >= deadline:
                    return None
                happened: tuple[Change, ...] = ()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(deadline):
                        happened = (await anext(changes),)
                        # Under load many who wait must not look at each of many commits.
                        await asyncio.sleep(looked_at + _BETWEEN_LOOKS - loop.time())
                happened += changes.take()
                found = await self._newest_of(happened, asked, project) if happened else None
            return found

    async def _newest_of(
        self, changes: Sequence[Change], query: Query | None, project: str | None
    ) -> Summary | None:
        """Return the newest mail that matches among those that changes are about."""
        if not all(change.ids for change in changes):  # they may be about any
            return await self.latest(query, project=project)
        ids = frozenset(message for change in changes for message in change.ids)
        found = await self.inbox.matching(Selection(ids=ids, query=query, project=project))
        return await self.inbox.summary(max(found)) if found else None

    async def transcript(self, session: str) -> Transcript | None:
        """Return the SMTP session that brought a mail (``Summary.session``), with notes."""
        found = self._book.get(session)
        if found is None:
            kept = await self.inbox.transcript(session)
            found = None if not kept else transcribe(decode(kept))
        return None if found is None else annotated(found)

    def sessions_without_mail(self) -> tuple[Transcript, ...]:
        """Return the last SMTP sessions that brought nothing, the newest first."""
        return tuple(map(annotated, self._book.without_mail()))

    async def assess(
        self, message: MessageId, *, follow_links: bool = False, verify: bool = False
    ) -> Assessment | None:
        """Judge a mail; None where there is none.

        Args:
            message: Which.
            follow_links: Ask the public servers that its links name.
            verify: Ask DNS, as a receiver would, for SPF, DKIM and DMARC.
        """
        if self.judging is None:
            return None
        return await self.judging.assess(message, follow_links=follow_links, verify=verify)

    async def tags(self, project: str | None = None) -> tuple[TagCount, ...]:
        """Return the tags in use, by name."""
        return await self.inbox.tags(project)

    async def info(self) -> Info:
        """Return what the sandbox says of itself."""
        now = self.clock.now()
        return Info(
            version=__version__,
            label=self.settings.label,
            addresses=self.addresses,
            database="" if self._database is None else str(self._database),
            cap=self.cap,
            counts=await self.inbox.counts(),
            statistics=Statistics(
                caught=self._book.caught,
                caught_octets=self._book.caught_octets,
                refused=self._book.refused,
                removed=self._removed,
                pruned=self._pruned,
            ),
            started_at=self._started_at,
            uptime=max(now - self._started_at, 0.0),
            auth=self.settings.logins.value,
            needs_login=self.settings.needs_login,
            has_tls=self.offers_starttls or bool(self.addresses.smtps),
            starttls=self._starttls,
            max_message_size=self.settings.max_message_size,
            can_release=self.releaser is not None,
            memory=_resident(),
        )

    @property
    def cap(self) -> Cap:
        """How full the whole inbox may become."""
        settings = self.settings
        return Cap(
            max_messages=settings.max_messages,
            max_age=settings.max_age,
            max_octets=settings.max_size,
        )

    @property
    def _starttls(self) -> str:
        if not self.offers_starttls:
            return "off"
        return "required" if self.settings.require_tls else "offered"

    # --- changing --------------------------------------------------------------------

    async def mark(self, selection: Selection, *, is_read: bool) -> tuple[MessageId, ...]:
        """Mark as read or unread; return what changed."""
        changed = await self.inbox.mark(selection, is_read=is_read)
        return self._told(ChangeKind.UPDATE, changed, selection.project)

    async def tag(
        self, selection: Selection, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> tuple[MessageId, ...]:
        """Put tags on mails and take others off; return what changed."""
        changed = await self.inbox.tag(selection, add=_clean(add), remove=remove)
        return self._told(ChangeKind.UPDATE, changed, selection.project)

    async def set_tags(self, selection: Selection, tags: Sequence[str]) -> tuple[MessageId, ...]:
        """Give mails these tags and no others; return what changed."""
        changed = await self.inbox.set_tags(selection, _clean(tags))
        return self._told(ChangeKind.UPDATE, changed, selection.project)

    async def rename_tag(self, old: str, new: str | None) -> int:
        """Rename a tag everywhere, or with None remove it; return how many mails had it."""
        if new is not None:
            (new,) = _clean((new,)) or (None,)
            if new is None:
                raise PermanentError("A tag needs at least one letter or digit.")
        count = await self.inbox.rename_tag(old, new)
        if count:
            self.changes.publish(Change(kind=ChangeKind.UPDATE))
        return count

    async def remove(self, selection: Selection) -> Removed:
        """Remove mails; ``restore`` brings them back for a while."""
        removed = await self.inbox.remove(selection)
        self._removed += len(removed.ids)
        self._forget(removed.ids)
        is_all = selection.ids is None and selection.query is None
        kind = ChangeKind.TRUNCATE if is_all else ChangeKind.DELETE
        self._told(kind, removed.ids, selection.project)
        return removed

    async def restore(self, undo: str) -> tuple[MessageId, ...]:
        """Bring back what was removed; return what came back."""
        return self._told(ChangeKind.RESTORE, await self.inbox.restore(undo))

    async def ingest(
        self,
        octets: bytes,
        *,
        reverse_path: str = "",
        recipients: Sequence[str] = (),
        project: str | None = None,
    ) -> MessageId:
        """Take mail in as if it had come by SMTP.

        Args:
            octets: The message.
            reverse_path: Its sender; "": the first author; "<>": nobody.
            recipients: Whom it is for; empty: whom its header names.
            project: Where it goes; None: as if it had come by SMTP.

        Raises:
            PermanentError: An address is none, or the message was refused.
        """
        if self.ingestion is None:
            raise PermanentError("The sandbox accepts no mail.")
        if project is not None and self.projects.get(project) is None:
            raise ProjectRejected("project", f'There is no project "{project}".')
        return await self.ingestion.take(
            octets, reverse_path=reverse_path, recipients=recipients, project=project
        )

    async def release(self, message: MessageId, recipients: Sequence[str]) -> Released:
        """Send a mail to real people by the relay that is configured for it.

        Raises:
            PermanentError: No relay is configured, or a recipient is not allowed.
        """
        if self.releaser is None:
            raise PermanentError(
                "No relay is configured (sandbox_release), so nothing can leave the sandbox."
            )
        return await self.releaser.release(message, recipients)

    # --- projects --------------------------------------------------------------------

    async def put_project(self, project: Project) -> None:
        """Make a project, or change one.

        Raises:
            ProjectRejected: It cannot be like that, or it stands in the configuration.
        """
        await self.projects.put(project, self.inbox)

    async def remove_project(self, name: str) -> Removed:
        """Remove a project with its mail; the mail can be brought back for a while.

        Raises:
            ProjectRejected: It is the default one, or it stands in the configuration.
        """
        await self.projects.remove(name, self.inbox)
        return await self.remove(Selection(project=name))

    def rules_changed(self) -> None:
        """Tell everyone that there are other rules for failing on purpose."""
        self.changes.publish(Change(kind=ChangeKind.RULES))

    # --- what happens ----------------------------------------------------------------

    def _kept(self, summaries: Sequence[Summary]) -> None:
        self.changes.kept(summaries)
        self._tagger.kept(summaries)

    def _tagged(self, summaries: Sequence[Summary]) -> None:
        for listener in self._caught_listeners:
            listener(summaries)

    def _gone(self, ids: Sequence[MessageId]) -> None:
        self._pruned += len(ids)
        self._forget(ids)
        self._told(ChangeKind.PRUNE, tuple(ids))

    def _projects_changed(self) -> None:
        self._hold()
        self.changes.publish(Change(kind=ChangeKind.PROJECTS))

    def _hold(self) -> None:
        self.inbox.hold_to(self.projects.caps, self.cap)

    def _told(
        self, kind: ChangeKind, ids: tuple[MessageId, ...], project: str | None = None
    ) -> tuple[MessageId, ...]:
        if ids:
            self.changes.publish(Change(kind=kind, ids=ids, project=project))
        return ids

    def _forget(self, ids: Sequence[MessageId]) -> None:
        for message in tuple(self._mails.keys() & frozenset(ids)):
            del self._mails[message]


def _clean(tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for tag in map(clean_tag, tags) if tag))


async def _parsed(octets: bytes) -> Mail:
    if len(octets) < _PARSED_ASIDE:
        return read_mail(octets)
    return await asyncio.to_thread(read_mail, octets)


def _resident() -> int:
    """Return the octets of memory that the process uses, 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return 0
