"""The inbox port: storage of caught mail, as the sandbox needs it.

It takes part in group commit like the store (``commit``, ``write_chunk``), so that caught mail
comes through the same door as all other mail: the 250 follows the commit. A removed message
leaves every list at once, and can be restored until it is purged.
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
"""Says of a mail that is about to be kept where it goes. Called on the inbox's thread, once for
each mail: it must be quick, and it never raises."""


class Inbox(Protocol):
    """Where caught mail is kept. All methods raise ``StoreUnavailable`` when it fails."""

    @property
    def has_failed(self) -> bool:
        """Whether the disk failed, so that nothing is written until it is opened again."""
        ...

    async def open(self) -> None:
        """Open it, and make it where it is not there yet.

        Raises:
            PermanentError: The file is damaged, newer than this program, or in use.
        """
        ...

    async def close(self) -> None:
        """Close it; what was kept in memory is gone. Safe to call twice."""
        ...

    async def free_octets(self) -> int | None:
        """Return how many octets its disk has left, or None where there is none."""
        ...

    # --- keeping (``store.group``, ``intake.large``) ---------------------------------

    async def commit(self, batch: Batch) -> None:
        """Keep the messages of a batch, all or nothing; what goes over a cap pushes the oldest out.

        Raises:
            StoreFull: No room; nothing was kept.
            StoreUnavailable: The disk failed; nothing was kept.
        """
        ...

    async def write_chunk(self, message: MessageId, number: int, chunk: bytes) -> None:
        """Write one chunk of a large content, before its message is kept."""
        ...

    async def discard_chunks(self, message: MessageId) -> None:
        """Forget the chunks of a message that will not be kept."""
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
        """Return mails, newest first unless the query asks for another order.

        Args:
            query: Only what it matches; None: all.
            project: Only of this project; None: of all.
            limit: At most this many.
            start: Leave out so many first.
            before: Only those behind this one in the list (a cursor; quicker than ``start``).
        """
        ...

    async def matching(self, selection: Selection) -> frozenset[MessageId]:
        """Return which mails a selection means."""
        ...

    async def summary(self, message: MessageId) -> Summary | None:
        """Return one mail's row."""
        ...

    async def content(self, message: MessageId) -> bytes | None:
        """Return one mail's octets.

        Raises:
            BodyDamaged: They are not what was kept.
        """
        ...

    async def tags(self, project: str | None = None) -> tuple[TagCount, ...]:
        """Return the tags in use, by name."""
        ...

    async def counts(self, project: str | None = None) -> Counts:
        """Say how full a project, or all of it, is."""
        ...

    async def transcript(self, session: str) -> bytes | None:
        """Return the recorded SMTP session (JSON of ``sandbox.transcript``)."""
        ...

    async def assessment(self, message: MessageId) -> bytes | None:
        """Return what was found in a mail when it was last judged (JSON), or None."""
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
        """Remove mails, so that they can be brought back for a while."""
        ...

    async def restore(self, undo: str) -> tuple[MessageId, ...]:
        """Bring back what was removed; return what came back."""
        ...

    async def keep_transcripts(self, transcripts: Mapping[str, bytes]) -> None:
        """Keep recorded SMTP sessions by name; one that is known is replaced.

        A session goes with the last of its mails. They are on disk with the next commit.
        """
        ...

    async def keep_assessment(self, message: MessageId, assessment: bytes) -> None:
        """Keep what was found in a mail."""
        ...

    # --- upkeep ----------------------------------------------------------------------

    async def sweep(self, *, now: float) -> tuple[MessageId, ...]:
        """Hold the inbox to its caps and ages, and purge what was removed; return what went."""
        ...

    # --- projects --------------------------------------------------------------------

    async def settings(self, kind: str) -> dict[str, bytes]:
        """Return small values by name (projects, failure rules, webhooks), as JSON."""
        ...

    async def put_setting(self, kind: str, name: str, value: bytes | None) -> None:
        """Write one; with None remove it."""
        ...

    # --- what happened around the mail ----------------------------------------------

    async def records(self, kind: str) -> dict[str, bytes]:
        """Return what is known of a kind of things that happened, the first one first."""
        ...

    async def put_records(self, kind: str, records: Mapping[str, bytes | None]) -> None:
        """Write what is known by now, and forget what is None.

        They are on disk with the next commit.
        """
        ...

    # --- wiring ----------------------------------------------------------------------

    def label_with(self, labeler: Labeler) -> None:
        """Go by ``labeler`` from now on; without one, mail goes to the default project."""
        ...

    def hold_to(self, caps: Mapping[str, Cap], whole: Cap) -> None:
        """Hold projects, by name, and the whole inbox to these caps from the next commit on."""
        ...

    def on_kept(self, listener: Callable[[Sequence[Summary]], None]) -> None:
        """Have ``listener`` called on the loop with what each commit has kept."""
        ...

    def on_gone(self, listener: Callable[[Sequence[MessageId]], None]) -> None:
        """Have ``listener`` called on the loop with what caps and ages have pushed out."""
        ...
