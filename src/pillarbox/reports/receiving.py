"""Reads reports that arrive by mail, while they are accepted like any other message.

Mail that is not a report stays ordinary mail, with a note in its history; malformed content is just
skipped. A report by itself proves nothing: whether DMARC passed for the sender is stored with the
figures (RFC 9990 §3.5.2, RFC 8460 §5.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from pillarbox.errors import PillarboxError
from pillarbox.events.types import ReportNotRead, ReportReceived, Sink
from pillarbox.intake.draft import Draft
from pillarbox.intake.inspection import UNDISTURBED, Inspection, Judgement
from pillarbox.mailauth.authres import parse_results
from pillarbox.message.header import scan_header
from pillarbox.policy.ruling import Action, Ruling
from pillarbox.reports.received import ReceivedReport, read_reports
from pillarbox.reports.shelf import Shelf, ShelfFull
from pillarbox.smtp.address import Mailbox

__all__ = ["ReportReader"]

_MOST: Final = 20 * 1024 * 1024  # octets of a message that is read: 10 MiB in base64, and more
_PATIENCE: Final = 30.0  # seconds
_AT_ONCE: Final = 2  # messages that are read at the same time
_CHECK: Final = "reports"
_RESULTS: Final = b"authentication-results"


class ReportReader:
    """Reads messages to the addresses for reports."""

    def __init__(
        self,
        addresses: Collection[Mailbox],
        shelf: Shelf,
        now: Callable[[], float],
        sink: Sink,
    ) -> None:
        """Read messages to ``addresses``.

        Args:
            addresses: The addresses.
            shelf: Stores the figures.
            now: The wall clock, seconds since 1970.
            sink: Hears what was read and what was not.
        """
        self._addresses = frozenset(map(_place, addresses))
        self._shelf = shelf
        self._now = now
        self._sink = sink
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def begin(self, draft: Draft, header: bytes) -> Inspection | None:
        """Begin with a message for one of the addresses, or leave it alone."""
        origin = draft.origin
        if origin.is_submission:
            return None  # a forwarded report is not meant for us
        if not any(_place(each.address) in self._addresses for each in draft.envelope.recipients):
            return None
        return _Reading(self, draft, header)

    async def read(self, draft: Draft, octets: bytes, *, is_proved: bool) -> Judgement:
        """Store the figures of the reports in a message."""
        try:
            async with self._turns, asyncio.timeout(_PATIENCE):
                found = await asyncio.to_thread(read_reports, octets)
                if not found.reports:
                    return self._refuse(draft, found.refusal or "there is no report in it")
                for report in found.reports:
                    await self._keep(draft, report, is_proved=is_proved)
        except TimeoutError:
            return self._refuse(draft, f"it was not read within {_PATIENCE:g} s")
        except ShelfFull as error:
            return self._refuse(draft, str(error))
        except PillarboxError as error:
            return self._refuse(draft, f"it could not be kept: {error}")
        return UNDISTURBED

    async def _keep(self, draft: Draft, report: ReceivedReport, *, is_proved: bool) -> None:
        await self._shelf.put(report, is_proved=is_proved, now=self._now())
        self._sink(
            ReportReceived(
                at=draft.at,
                message=draft.shown,
                kind=report.kind,
                organization=report.organization,
                domain=report.domain,
                report_id=report.report_id,
                sessions=report.total,
                failed=report.failed,
                is_proved=is_proved,
            )
        )

    def _refuse(self, draft: Draft, reason: str) -> Judgement:
        self._sink(ReportNotRead(at=draft.at, message=draft.shown, reason=reason))
        note = Ruling(action=Action.NOTE, by=_CHECK, reason=f"not read as a report: {reason}")
        return Judgement(rulings=(note,))

    def too_large(self, draft: Draft) -> Judgement:
        """Report that a message is too large to be read."""
        return self._refuse(draft, f"it is larger than {_MOST} octets")


class _Reading:
    """One message that may be a report."""

    __slots__ = ("_draft", "_octets", "_reader")

    def __init__(self, reader: ReportReader, draft: Draft, header: bytes) -> None:
        self._reader = reader
        self._draft = draft
        self._octets = bytearray(header)

    def feed(self, body: bytes) -> None:
        """Keep the next octets of the body, while it may be one."""
        if len(self._octets) <= _MOST:
            self._octets += body

    async def conclude(self, earlier: Judgement) -> Judgement:
        """Read the message; it is accepted in any case."""
        if len(self._octets) > _MOST:
            return self._reader.too_large(self._draft)
        octets, self._octets = bytes(self._octets), bytearray()
        return await self._reader.read(self._draft, octets, is_proved=_is_proved(earlier))


def _is_proved(earlier: Judgement) -> bool:
    """Whether DMARC passed, as our own Authentication-Results field says."""
    for value in scan_header(earlier.fields + b"\r\n").get_all(_RESULTS):
        said = parse_results(value)
        if said is not None and any(one.result == "pass" for one in said.all_of("dmarc")):
            return True
    return False


def _place(mailbox: Mailbox) -> tuple[str, str]:
    return mailbox.local_part.lower(), mailbox.ascii_domain
