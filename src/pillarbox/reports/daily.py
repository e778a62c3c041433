"""The daily run: sends yesterday's reports, each one once, whichever node sends it.

A node claims a report, sends it, and records who has received it. If the node dies in between, its
claim expires, and another node continues from the record. A report that is sent twice anyway has
the same id both times. A failed delivery is retried, each time later, for a day (RFC 8460 §5.5).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from pillarbox.clock import Clock
from pillarbox.errors import PillarboxError
from pillarbox.events.types import ReportNotSent, ReportSent, Sink
from pillarbox.reports.counts import Day
from pillarbox.reports.days import DAY, day_of, days_before, due_at
from pillarbox.reports.sending import Delivery, NotSent, Prepared, Subject, Target
from pillarbox.store.notes import Note, NoteStore

__all__ = ["DailyReports"]

_FLUSH_EVERY: Final = 60.0  # seconds
_LOOK_EVERY: Final = 300.0
_CLAIM_ENDS: Final = 900.0  # seconds after which a claim expires
_FIRST_RETRY: Final = 1_800.0
_TRIED_FOR: Final = float(DAY)
_MAILS: Final = "report-mail"  # the kind of the notes that count our own reports
_KEPT: Final = 5 * DAY  # seconds for which sent reports are remembered


class _Progress(Struct):
    """How far a report is."""

    is_done: bool = False
    settled: list[str] = []  # who has received it, or never will
    attempts: int = 0
    next_at: float = 0.0


class DailyReports:
    """Counts through the day, and reports on the days before."""

    def __init__(
        self,
        subjects: Sequence[Subject[Any]],
        delivery: Delivery,
        *,
        notes: NoteStore,
        spread: float,
        clock: Clock,
        sink: Sink,
        on_defect: Callable[[str, BaseException], None],
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            subjects: The kinds of reports.
            delivery: How they are sent.
            notes: Where counts and claims are stored, for all nodes.
            spread: Seconds over which the reports of a day are sent.
            clock: The time.
            sink: Receives events about sent and failed reports.
            on_defect: Called with unexpected errors; the other reports are not affected.
        """
        self._subjects = tuple(subjects)
        self._delivery = delivery
        self._notes = notes
        self._spread = spread
        self._clock = clock
        self._sink = sink
        self._on_defect = on_defect

    async def run(self) -> None:
        """Run forever; if the store is down, retry."""
        look_at = 0.0
        while True:
            with contextlib.suppress(PillarboxError):
                await self.flush()
                if self._clock.monotonic() >= look_at:
                    look_at = self._clock.monotonic() + _LOOK_EVERY
                    await self.turn()
            await asyncio.sleep(_FLUSH_EVERY)

    async def flush(self) -> None:
        """Add what was counted here to what all nodes have counted.

        Raises:
            StoreUnavailable: The store is down; nothing is lost but time.
        """
        for subject in self._subjects:
            await subject.counts.flush(now=self._clock.now())

    async def turn(self) -> None:
        """Send all reports that are due.

        Raises:
            StoreUnavailable: The store is down; it goes on the next time.
        """
        for subject in self._subjects:
            for day in days_before(self._clock.now()):
                for note in await subject.counts.domains(day, now=self._clock.now()):
                    due = due_at(day, note.key, self._delivery.identity.domain, self._spread)
                    if note.amount and due <= self._clock.now():
                        await self._try(subject, day, note.key, due)

    async def _try(self, subject: Subject[Any], day: str, domain: str, due: float) -> None:
        try:
            await self._report(subject, day, domain, due)
        except PillarboxError:
            raise
        except Exception as error:  # noqa: BLE001 - one report must not hold up all others
            self._on_defect(f"the {subject.kind} report of {day} about {domain}", error)

    async def _report(self, subject: Subject[Any], day: str, domain: str, due: float) -> None:
        place = f"{subject.kind}-report", f"{day}/{domain}"
        progress = await self._progress(*place)
        now = self._clock.now()
        if progress.is_done:  # a node was late with its counts
            await subject.counts.forget(day, domain, now=now)
            return
        if progress.next_at > now or not await self._claim(*place):
            return
        progress = await self._progress(*place)  # another node may just have sent it
        if not progress.is_done:
            counted = await subject.counts.day(day, domain, now=now)
            if await self._is_only_of_reports(subject, day, domain, counted):
                prepared = Prepared()
            else:
                prepared = await subject.prepare(day, domain, counted)
            await self._send(_Report(subject.kind, day, domain, due), prepared, progress)
            await self._keep(*place, progress)
        if progress.is_done:
            await subject.counts.forget(day, domain, now=now)
        await self._notes.remove(f"{place[0]}-claim", [place[1]])

    async def _is_only_of_reports(
        self, subject: Subject[Any], day: str, domain: str, counted: Day[Any]
    ) -> bool:
        """Whether all sessions with a domain only carried our own reports.

        Otherwise one message would cause a report each day forever.
        """
        if subject.kind != "tls":
            return False
        mails = await self._notes.get(f"{_MAILS}/{day}", domain, now=self._clock.now())
        sessions = sum(count for _, count in counted.rows) + counted.overflow
        return mails is not None and sessions <= mails.amount

    async def _note_mail(self, uri: str) -> None:
        """Remember that a report went to a domain today by mail."""
        now, domain = self._clock.now(), uri.partition("?")[0].rpartition("@")[2].lower()
        if uri.lower().startswith("mailto:"):
            kind = f"{_MAILS}/{day_of(now)}"
            note = Note(kind=kind, key=domain, amount=1, expires_at=now + _KEPT)
            await self._notes.add([note], now=now)

    async def _claim(self, kind: str, key: str) -> bool:
        """Take a report for this node; False: another one has it."""
        now, kind = self._clock.now(), f"{kind}-claim"
        if await self._notes.get(kind, key, now=now) is not None:
            return False
        claim = Note(kind=kind, key=key, amount=1, expires_at=now + _CLAIM_ENDS)
        (claims,) = await self._notes.add([claim], now=now)
        return claims == 1

    async def _progress(self, kind: str, key: str) -> _Progress:
        note = await self._notes.get(kind, key, now=self._clock.now())
        return _Progress() if note is None else msgspec.json.decode(note.value, type=_Progress)

    async def _keep(self, kind: str, key: str, progress: _Progress) -> None:
        expires_at = self._clock.now() + _KEPT
        value = msgspec.json.encode(progress)
        await self._notes.put([Note(kind=kind, key=key, value=value, expires_at=expires_at)])

    async def _send(self, report: _Report, prepared: Prepared, progress: _Progress) -> None:
        """Send a report to all remaining recipients, and record the progress."""
        now = self._clock.now()
        progress.attempts += 1
        next_at: float | None = now + _FIRST_RETRY * 2 ** min(progress.attempts - 1, 6)
        if now >= report.due + _TRIED_FOR:
            next_at = None
        open_ones = [prepared.open] if prepared.open else []
        if prepared.open:
            self._tell_failure(report, "", prepared.open, next_at)
        for uri, reason in _new(prepared.refused, progress):
            self._tell_failure(report, uri, reason, None)
            progress.settled.append(uri)
        for target in prepared.targets:
            if target.uri not in progress.settled and not await self._give(
                report, prepared, target, next_at
            ):
                open_ones.append(target.uri)
            else:
                progress.settled.append(target.uri)
        progress.is_done = next_at is None or not open_ones
        progress.next_at = next_at or 0.0

    async def _give(
        self, report: _Report, prepared: Prepared, target: Target, next_at: float | None
    ) -> bool:
        """Send a report to one address; return whether that is settled."""
        if prepared.build is None:
            return True
        # Compressing thousands of rows takes a while, so it runs on a thread.
        made = await asyncio.to_thread(prepared.build, target.max_size)
        try:
            await self._delivery.send(made, target)
        except NotSent as error:
            again = None if error.is_final else next_at
            self._tell_failure(report, target.uri, str(error), again)
            return error.is_final
        await self._note_mail(target.uri)
        self._sink(
            ReportSent(
                at=self._clock.now(),
                kind=report.kind,
                domain=report.domain,
                day=report.day,
                to=target.uri,
                report_id=made.report_id,
                sessions=prepared.messages,
                size=len(made.content),
            )
        )
        return True

    def _tell_failure(self, report: _Report, to: str, reason: str, next_at: float | None) -> None:
        self._sink(
            ReportNotSent(
                at=self._clock.now(),
                kind=report.kind,
                domain=report.domain,
                day=report.day,
                to=to,
                reason=reason,
                next_attempt_at=next_at,
            )
        )


class _Report(Struct, frozen=True):
    """Which report it is."""

    kind: str
    day: str
    domain: str
    due: float


def _new(refused: Sequence[tuple[str, str]], progress: _Progress) -> Iterator[tuple[str, str]]:
    return ((uri, reason) for uri, reason in refused if uri not in progress.settled)
