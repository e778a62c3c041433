"""The sandbox as everyone sees it who looks at caught mail: pages, API, POP3, tests.

Every change goes through here, so that everybody who looks is told of it (``changes``).
Methods raise ``PillarboxError``s, whose sentences may be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pillarbox.inbox.port import Inbox
from pillarbox.inbox.values import Page, Removed, Selection, Summary, TagCount
from pillarbox.sandbox.changes import Changes
from pillarbox.sandbox.info import Info
from pillarbox.sandbox.projects import Project, Projects
from pillarbox.sandbox.transcript import Transcript
from pillarbox.search.query import Query
from pillarbox.store.port import MessageId

if TYPE_CHECKING:
    from pillarbox.config.settings.sandbox import SandboxSettings
    from pillarbox.message.mail import Mail
    from pillarbox.preflight import Assessment
    from pillarbox.sandbox.failing import Failing
    from pillarbox.sandbox.release import Released

__all__ = ["Sandbox"]


class Sandbox:
    """Caught mail, and what can be done with it."""

    settings: SandboxSettings
    inbox: Inbox
    changes: Changes
    projects: Projects
    failing: Failing

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
        raise NotImplementedError

    async def summary(self, message: MessageId) -> Summary | None:
        """Return one mail's row."""
        raise NotImplementedError

    async def content(self, message: MessageId) -> bytes | None:
        """Return one mail's octets, with the trace field that was added when it was caught."""
        raise NotImplementedError

    async def mail(self, message: MessageId) -> Mail | None:
        """Return one mail, parsed; the last few are remembered."""
        raise NotImplementedError

    async def latest(
        self, query: Query | str | None = None, *, project: str | None = None
    ) -> Summary | None:
        """Return the newest mail that a search finds."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def transcript(self, session: str) -> Transcript | None:
        """Return the SMTP session that brought a mail (``Summary.session``), with notes."""
        raise NotImplementedError

    async def assess(self, message: MessageId, *, follow_links: bool = False) -> Assessment | None:
        """Judge a mail; ``follow_links`` asks the servers that its links name."""
        raise NotImplementedError

    async def tags(self, project: str | None = None) -> tuple[TagCount, ...]:
        """Return the tags in use, by name."""
        raise NotImplementedError

    async def info(self) -> Info:
        """Return what the sandbox says of itself."""
        raise NotImplementedError

    # --- changing --------------------------------------------------------------------

    async def mark(self, selection: Selection, *, is_read: bool) -> tuple[MessageId, ...]:
        """Mark as read or unread; return what changed."""
        raise NotImplementedError

    async def tag(
        self, selection: Selection, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> tuple[MessageId, ...]:
        """Put tags on mails and take others off; return what changed."""
        raise NotImplementedError

    async def set_tags(self, selection: Selection, tags: Sequence[str]) -> tuple[MessageId, ...]:
        """Give mails these tags and no others; return what changed."""
        raise NotImplementedError

    async def rename_tag(self, old: str, new: str | None) -> int:
        """Rename a tag everywhere, or with None remove it; return how many mails had it."""
        raise NotImplementedError

    async def remove(self, selection: Selection) -> Removed:
        """Remove mails; ``restore`` brings them back for a while."""
        raise NotImplementedError

    async def restore(self, undo: str) -> tuple[MessageId, ...]:
        """Bring back what was removed; return what came back."""
        raise NotImplementedError

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
            reverse_path: Its sender; "": the first author.
            recipients: Whom it is for; empty: whom its header names.
            project: Where it goes; None: as if it had come by SMTP.

        Raises:
            PermanentError: An address is none, or the message was refused.
        """
        raise NotImplementedError

    async def release(self, message: MessageId, recipients: Sequence[str]) -> Released:
        """Send a mail to real people by the relay that is configured for it.

        Raises:
            PermanentError: No relay is configured, or a recipient is not allowed.
        """
        raise NotImplementedError

    # --- projects --------------------------------------------------------------------

    async def put_project(self, project: Project) -> None:
        """Make a project, or change one.

        Raises:
            PermanentError: It cannot be like that, or it stands in the configuration.
        """
        raise NotImplementedError

    async def remove_project(self, name: str) -> None:
        """Remove a project; its mail stays until it is removed.

        Raises:
            PermanentError: It is the default one, or it stands in the configuration.
        """
        raise NotImplementedError
