"""The one door: every message that this node accepts comes through here.

A message that gets the answer ``Kept`` is on disk. It is within the limits, has this hop's trace
field, and every recipient is in a queue. The caller (SMTP, sendmail) has already decided that the
sender may send and that the recipients are accepted. (RFC 5321 §4.4, §6.1, §6.3; RFC 6409 §8.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final
from zlib import crc32

from msgspec.structs import replace

from pillarbox.clock import Clock
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.events.types import (
    MessageAccepted,
    MessageRefused,
    RecipientHeld,
    Sink,
    StoreFailed,
    StoreRecovered,
)
from pillarbox.intake.background import start
from pillarbox.intake.draft import (
    Answer,
    Draft,
    Kept,
    Origin,
    with_optional_tls,
    without_doubles,
    without_notices,
)
from pillarbox.intake.guards import Guards
from pillarbox.intake.inspection import Inspection, Inspector, Inspectors, Judgement, judge
from pillarbox.intake.large import LargeContent, Written
from pillarbox.intake.refusals import refusal_of
from pillarbox.intake.rulings import ruled
from pillarbox.intake.stamp import Stamped, Stamper
from pillarbox.message.reencoding import with_short_lines
from pillarbox.policy.queue import QueueFor, RecipientState
from pillarbox.policy.ruling import Action, Ruling, strictest
from pillarbox.smtp.envelope import Envelope, TlsRequired
from pillarbox.smtp.events import ContentFacts
from pillarbox.smtp.reply import Reply
from pillarbox.store.group import GroupCommit
from pillarbox.store.ids import IdMaker, show_id
from pillarbox.store.port import (
    INLINE_BODY,
    Keeper,
    KeptMessage,
    KeptRecipient,
    StoreFull,
    StoreUnavailable,
)

__all__ = ["SMALL_CONTENT", "Door"]

SMALL_CONTENT: Final = INLINE_BODY - 4096
"""Octets of a content that is kept in one piece: the trace field, Date and Message-ID that
are added to it always fit into the rest of ``INLINE_BODY``."""


class Door:
    """Accepts messages, and tells those who wait for them."""

    def __init__(
        self,
        *,
        store: Keeper,
        group: GroupCommit,
        ids: IdMaker,
        clock: Clock,
        stamper: Stamper,
        queue_for: QueueFor,
        guards: Guards,
        sink: Sink,
        on_kept: Callable[[KeptMessage], None],
        inspectors: Sequence[Inspector] = (),
    ) -> None:
        """Wire the door.

        Args:
            store: Where the chunks of large contents go.
            group: Where messages are committed, in the same store.
            ids: Makes their ids.
            clock: Says when they arrived.
            stamper: Checks and completes their headers.
            queue_for: Chooses the queue of each recipient.
            guards: Disk space and memory.
            sink: Gets events of what was accepted and refused.
            on_kept: Called with each message after its commit.
            inspectors: Inspect each message before it is committed, in this order.
        """
        self._store = store
        self._group = group
        self._ids = ids
        self._clock = clock
        self._stamper = stamper
        self._queue_for = queue_for
        self.guards = guards
        self._sink = sink
        self._on_kept = on_kept
        self._inspectors = Inspectors(inspectors)
        self._failing_since: float | None = None

    def use(
        self, stamper: Stamper, queue_for: QueueFor, inspectors: Sequence[Inspector] = ()
    ) -> None:
        """Use a new configuration; messages in progress keep the old one."""
        self._stamper = stamper
        self._queue_for = queue_for
        self._inspectors = Inspectors(inspectors)

    def keep(
        self,
        origin: Origin,
        envelope: Envelope,
        content: bytes,
        facts: ContentFacts,
        answer: Answer,
        rulings: tuple[Ruling, ...] = (),
    ) -> None:
        """Accept a message of at most ``SMALL_CONTENT`` octets.

        Args:
            origin: Where it comes from.
            envelope: Its sender and recipients; repeated recipients are stored once.
            content: All of it; every line end is a CRLF.
            facts: What was observed while it arrived.
            answer: Called with the outcome, perhaps before this returns.
            rulings: The rulings on the session and the envelope; none turns it away.
        """
        draft = self._draft(origin, envelope, rulings)
        try:
            if facts.has_long_lines and origin.is_submission:
                draft, content, facts = _made_short(draft, content, facts)
            stamped = self._stamper.stamp(content, draft)
            inspection = None
            if isinstance(stamped, Stamped):
                inspection = self._inspectors.begin(draft, stamped.header)
                if inspection is not None:
                    inspection.feed(stamped.body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender must hear of it
            self._refuse_for(error, draft, answer)
            return
        if isinstance(stamped, Reply):
            self._refuse(draft, stamped, stamped.text, answer)
            return
        if inspection is None:
            self._keep_small(draft, stamped, facts, answer)
            return
        keep = partial(self._keep_small_judged, stamped, facts, answer)
        start(self._judge(draft, inspection, answer, keep))

    def begin_large(
        self,
        origin: Origin,
        envelope: Envelope,
        on_room: Callable[[], None],
        rulings: tuple[Ruling, ...] = (),
    ) -> LargeContent:
        """Begin a message that is written to the store while it arrives.

        Args:
            origin: Where it comes from.
            envelope: Its sender and recipients.
            on_room: Called when a congested content can take more.
            rulings: The rulings on the session and the envelope; none turns it away.
        """
        draft = self._draft(origin, envelope, rulings)
        return LargeContent(self._store, self._stamper, self._inspectors, draft, on_room)

    def keep_large(self, large: LargeContent, facts: ContentFacts, answer: Answer) -> None:
        """Accept a message whose last octets have been fed.

        Args:
            large: What ``begin_large`` returned.
            facts: What was observed while it arrived.
            answer: Called with the outcome, perhaps before this returns.
        """
        large.end(partial(self._keep_written, large, facts, answer))

    def _keep_written(
        self, large: LargeContent, facts: ContentFacts, answer: Answer, written: Written
    ) -> None:
        draft = large.draft
        if isinstance(written, Reply):
            self._refuse(draft, written, written.text, answer)
        elif isinstance(written, BaseException):
            self._refuse_for(written, draft, answer)
        elif large.inspection is None:
            self._keep_large(large, written, facts, answer)
        else:
            keep = partial(self._keep_large_judged, large, written, facts, answer)
            start(self._judge(draft, large.inspection, answer, keep, large))

    # --- under inspection ------------------------------------------------------------

    async def _judge(
        self,
        draft: Draft,
        inspection: Inspection,
        answer: Answer,
        keep: Callable[[Draft, Judgement], Awaitable[None]],
        large: LargeContent | None = None,
    ) -> None:
        try:
            judgement = await judge(inspection)
            ruling = judgement.ruling
            if ruling.reply is None:
                if judgement.is_sender_doubtful:
                    draft = replace(draft, envelope=without_notices(draft.envelope))
                await keep(replace(draft, rulings=draft.rulings + judgement.rulings), judgement)
                return
            self._refuse(draft, ruling.reply, f"{ruling.by}: {ruling.reason}", answer)
            self._tell_rulings(draft, judgement.rulings)
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender must hear of it
            self._refuse_for(error, draft, answer)
        if large is not None:
            large.discard()

    async def _keep_small_judged(
        self,
        stamped: Stamped,
        facts: ContentFacts,
        answer: Answer,
        draft: Draft,
        judgement: Judgement,
    ) -> None:
        self._keep_small(draft, stamped.judged(judgement), facts, answer)

    async def _keep_large_judged(
        self,
        large: LargeContent,
        header: Stamped,
        facts: ContentFacts,
        answer: Answer,
        draft: Draft,
        judgement: Judgement,
    ) -> None:
        judged = header.judged(judgement)
        await large.put_on_top(judged)
        large.draft = draft
        self._keep_large(large, judged, facts, answer)

    # --- keeping ---------------------------------------------------------------------

    def _keep_small(
        self, draft: Draft, stamped: Stamped, facts: ContentFacts, answer: Answer
    ) -> None:
        if stamped.is_tls_optional:
            draft = with_optional_tls(draft)
        octets, origin = stamped.octets, draft.origin
        self._keep(
            draft,
            KeptMessage(
                id=draft.message,
                accepted_at=draft.at,
                envelope=draft.envelope,
                recipients=self._recipients(draft),
                size=len(octets),
                content=octets,
                checksum=crc32(octets),
                header_size=stamped.header_size,
                has_8bit=facts.has_8bit,
                has_long_lines=facts.has_long_lines,
                message_id_header=stamped.message_id_header,
                origin=origin.name,
                identity=origin.identity,
                client=origin.client,
                session=origin.session,
                tls=origin.tls,
            ),
            answer,
        )

    def _keep_large(
        self, large: LargeContent, written: Stamped, facts: ContentFacts, answer: Answer
    ) -> None:
        draft = large.draft
        if written.is_tls_optional:
            draft = with_optional_tls(draft)
        self._keep(
            draft,
            KeptMessage(
                id=draft.message,
                accepted_at=draft.at,
                envelope=draft.envelope,
                recipients=self._recipients(draft),
                size=large.size,
                content=None,
                checksum=large.checksum,
                header_size=written.header_size,
                has_8bit=facts.has_8bit,
                has_long_lines=facts.has_long_lines,
                message_id_header=written.message_id_header,
                origin=draft.origin.name,
                identity=draft.origin.identity,
                client=draft.origin.client,
                session=draft.origin.session,
                tls=draft.origin.tls,
            ),
            answer,
            large,
        )

    def _draft(self, origin: Origin, envelope: Envelope, rulings: tuple[Ruling, ...]) -> Draft:
        message = self._ids.next()
        return Draft(
            message=message,
            shown=show_id(message),
            at=self._clock.now(),
            origin=origin,
            envelope=without_doubles(envelope),
            rulings=rulings,
        )

    def _recipients(self, draft: Draft) -> tuple[KeptRecipient, ...]:
        sender, queue_for = draft.envelope.reverse_path, self._queue_for
        queues = [queue_for(sender, each.address) for each in draft.envelope.recipients]
        if draft.envelope.tls_required is not TlsRequired.BY_POLICY:
            queues = [queue.apart(draft.envelope.tls_required) for queue in queues]
        ruling = strictest(draft.rulings)
        if ruling.action is Action.HOLD:
            reason, held = f"{ruling.by}: {ruling.reason}", RecipientState.HELD
            return tuple(
                KeptRecipient(index=index, queue=queue, state=held, last_reply=reason)
                for index, queue in enumerate(queues)
            )
        at = max((draft.at, *(each.not_before for each in draft.rulings)))
        return tuple(
            KeptRecipient(index=index, queue=queue, next_attempt_at=at)
            for index, queue in enumerate(queues)
        )

    def _keep(
        self, draft: Draft, message: KeptMessage, answer: Answer, large: LargeContent | None = None
    ) -> None:
        self.guards.reserve.spend(message.size)
        self._group.hand_in(message, partial(self._kept, draft, message, answer, large))

    def _kept(
        self,
        draft: Draft,
        message: KeptMessage,
        answer: Answer,
        large: LargeContent | None,
        error: PillarboxError | None,
    ) -> None:
        if error is not None:
            # After a commit that nobody answered (StoreUnavailable) the message may be there,
            # and must keep its chunks; the store removes them in its sweep if it is not.
            if large is not None and not _may_be_kept(error):
                large.discard()
            self._refuse_for(error, draft, answer)
            return
        try:
            answer(Kept(draft.message, draft.shown))
        finally:  # whatever becomes of the client, the message is ours to deliver
            self._tell_kept(draft, message)

    def _tell_kept(self, draft: Draft, message: KeptMessage) -> None:
        self._note_success(draft.at)
        origin, envelope = draft.origin, draft.envelope
        self._sink(
            MessageAccepted(
                at=draft.at,
                message=draft.shown,
                session=origin.session,
                listener=origin.name,
                client=origin.client,
                sender=str(envelope.reverse_path or ""),
                recipients=[str(each.address) for each in envelope.recipients],
                size=message.size,
                message_id=message.message_id_header,
                identity=origin.identity,
                helo=origin.helo,
                tls=origin.tls,
            )
        )
        if draft.rulings:
            self._tell_rulings(draft, draft.rulings, message=draft.shown)
            self._tell_held(draft)
        self._on_kept(message)

    def _tell_rulings(self, draft: Draft, rulings: Sequence[Ruling], message: str = "") -> None:
        for ruling in rulings:
            session = draft.origin.session
            self._sink(ruled(ruling, at=draft.at, session=session, message=message))

    def _tell_held(self, draft: Draft) -> None:
        ruling = strictest(draft.rulings)
        if ruling.action is not Action.HOLD:
            return
        reason = f"{ruling.by}: {ruling.reason}"
        for recipient in draft.envelope.recipients:
            address = str(recipient.address)
            self._sink(
                RecipientHeld(at=draft.at, message=draft.shown, recipient=address, reason=reason)
            )

    def _refuse_for(self, error: BaseException, draft: Draft, answer: Answer) -> None:
        if isinstance(error, StoreUnavailable) and self._failing_since is None:
            self._failing_since = draft.at
            is_full = isinstance(error, StoreFull)
            self._sink(StoreFailed(at=draft.at, reason=str(error), is_full=is_full))
        if not isinstance(error, PillarboxError):  # a defect
            context = {"message": f"taking {draft.shown} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        self._refuse(draft, refusal_of(error), str(error) or type(error).__name__, answer)

    def _note_success(self, at: float) -> None:
        if self._failing_since is not None:
            self._sink(StoreRecovered(at=at, seconds=max(at - self._failing_since, 0.0)))
            self._failing_since = None

    def _refuse(self, draft: Draft, reply: Reply, reason: str, answer: Answer) -> None:
        answer(reply)
        self._sink(
            MessageRefused(
                at=draft.at,
                session=draft.origin.session,
                client=draft.origin.client,
                sender=str(draft.envelope.reverse_path or ""),
                recipients=[str(each.address) for each in draft.envelope.recipients],
                reply=str(reply),
                reason=reason,
            )
        )


def _may_be_kept(error: BaseException) -> bool:
    return not isinstance(error, StoreFull) and not isinstance(error, PermanentError)


def _made_short(
    draft: Draft, content: bytes, facts: ContentFacts
) -> tuple[Draft, bytes, ContentFacts]:
    """Encode lines that could never be sent, before anything is signed (RFC 6409 §8.4)."""
    short = with_short_lines(content)
    if short is None or len(short) > SMALL_CONTENT:
        return draft, content, facts
    note = Ruling(
        action=Action.NOTE,
        by="intake",
        reason="lines of more than 998 octets were encoded as quoted-printable",
    )
    facts = replace(facts, size=len(short), has_8bit=not short.isascii(), has_long_lines=False)
    return replace(draft, rulings=(*draft.rulings, note)), short, facts
