"""The inbox port: storage of caught mail, as the sandbox needs it.

It takes part in group commit like the store (``commit``, ``write_chunk``), so caught mail is
accepted the same way as all other mail: the 250 follows the commit. A removed message disappears
from every list at once, and can be restored until it is purged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pillarbox.inbox.values import Cap, Counts, Label, Page, Removed, Selection, Summary, TagCount
from pillarbox.message.summary import MailSummary
from pillarbox.search.query import Query
from pillarbox.store.port import Batch, KeptMessage, MessageId

__all__ = ["Inbox", "Labeler"]

Labeler = Callable[[KeptMessage, MailSummary], Label]
"""Returns the project and tags of a mail about to be stored. Called once for each mail on the
inbox's thread: it must be fast, and never raises."""


class Inbox(Protocol):
    """Stores caught mail. All methods raise ``StoreUnavailable`` when it fails."""

    @property
    def has_failed(self) -> bool:
        """Whether the disk has failed, so that nothing is written until the inbox is reopened."""
        ...

    async def open(self) -> None:
        """Open the inbox, and create it if it does not exist.

        Raises:
            PermanentError: The file is damaged, newer than this program, or in use.
        """
        ...

    async def close(self) -> None:
        """Close the inbox; mail in memory is lost. Safe to call twice."""
        ...

    async def free_octets(self) -> int | None:
        """Return the free octets on its disk, or None if it is in memory."""
        ...

    # --- keeping (``store.group``, ``intake.large``) ---------------------------------

    async def commit(self, batch: Batch) -> None:
        """Store the messages of a batch, all or nothing; over a cap, the oldest are removed.

        Raises:
            StoreFull: No room; nothing was stored.
            StoreUnavailable: The disk failed; nothing was stored.
        """
        ...

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large content, before its message is stored."""
        ...

    async def discard_chunks(self, message: MessageId) -> None:
        """Delete the chunks of a message that will not be stored."""
        ...

    # --- looking ---------------------------------------------------------------------

    async def find(
        self,
        query: Query | None = None,
        *,
        project: str | None = None,
        limit: int = 50,
        start: int = 0,
        before: MessageId | None = None,
    ) -> Page:
        """Return mails, newest first unless the query requests another order.

        Args:
            query: Only what it matches; None: all.
            project: Only of this project; None: of all.
            limit: At most this many.
            start: Skip this many.
            before: Only those after this one in the list (a cursor; faster than ``start``).
        """
        ...

    async def matching(self, selection: Selection) -> frozenset[MessageId]:
        """Return the ids of the selected mails."""
        ...

    async def summary(self, message: MessageId) -> Summary | None:
        """Return one mail's row."""
        ...

    async def content(self, message: MessageId) -> bytes | None:
        """Return one mail's octets.

        Raises:
            BodyDamaged: They differ from what was stored.
        """
        ...

    async def tags(self, project: str | None = None) -> tuple[TagCount, ...]:
        """Return the tags in use, by name."""
        ...

    async def counts(self, project: str | None = None) -> Counts:
        """Return the usage of a project, or of the whole inbox."""
        ...

    async def transcript(self, session: str) -> bytes | None:
        """Return the recorded SMTP session (JSON of ``sandbox.transcript``)."""
        ...

    async def assessment(self, message: MessageId) -> bytes | None:
        """Return a mail's last assessment (JSON), or None."""
        ...

    # --- changing --------------------------------------------------------------------

    async def mark(self, selection: Selection, *, is_read: bool) -> tuple[MessageId, ...]:
        """Mark as read or unread; return what changed."""
        ...

    async def tag(
        self, selection: Selection, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> tuple[MessageId, ...]:
        """Put tags on mails and take others off; return what changed."""
        ...

    async def set_tags(self, selection: Selection, tags: Sequence[str]) -> tuple[MessageId, ...]:
        """Give mails these tags and no others; return what changed."""
        ...

    async def rename_tag(self, old: str, new: str | None) -> int:
        """Rename a tag everywhere, or with None remove it; return how many mails had it."""
        ...

    async def remove(self, selection: Selection) -> Removed:
        """Remove mails; they can be restored for a while."""
        ...

    async def restore(self, undo: str) -> tuple[MessageId, ...]:
        """Restore removed mails; return what was restored."""
        ...

    async def keep_transcripts(self, transcripts: Mapping[str, bytes]) -> None:
        """Store recorded SMTP sessions by name, replacing existing ones.

        A session is deleted with the last of its mails. They are on disk with the next commit.
        """
        ...

    async def keep_assessment(self, message: MessageId, assessment: bytes) -> None:
        """Store the assessment of a mail."""
        ...

    # --- upkeep ----------------------------------------------------------------------

    async def sweep(self, *, now: float) -> tuple[MessageId, ...]:
        """Enforce caps and ages, and purge removed mail; return what was removed."""
        ...

    # --- projects --------------------------------------------------------------------

    async def settings(self, kind: str) -> dict[str, bytes]:
        """Return small values by name (projects, failure rules, webhooks), as JSON."""
        ...

    async def put_setting(self, kind: str, name: str, value: bytes | None) -> None:
        """Store one; None removes it."""
        ...

    # --- what happened around the mail ----------------------------------------------

    async def records(self, kind: str) -> dict[str, bytes]:
        """Return the records of one kind, the oldest first."""
        ...

    async def put_records(self, kind: str, records: Mapping[str, bytes | None]) -> None:
        """Store records, and delete those that are None.

        They are on disk with the next commit.
        """
        ...

    # --- wiring ----------------------------------------------------------------------

    def label_with(self, labeler: Labeler) -> None:
        """Use ``labeler`` from now on; without one, mail goes to the default project."""
        ...

    def hold_to(self, caps: Mapping[str, Cap], whole: Cap) -> None:
        """Apply these caps to projects, by name, and to the whole inbox from the next commit on."""
        ...

    def on_kept(self, listener: Callable[[Sequence[Summary]], None]) -> None:
        """Call ``listener`` on the loop with the mails of each commit."""
        ...

    def on_gone(self, listener: Callable[[Sequence[MessageId]], None]) -> None:
        """Call ``listener`` on the loop with mails removed by caps and ages."""
        ...
