"""The DMARC report of a day about one domain, and its recipients (RFC 9990 §3, §4)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox import __version__
from pillarbox.mailauth.dmarc import Finder, Record, report_destinations
from pillarbox.mailauth.dmarc_report import Report, ReportForm, build_report, pack_report
from pillarbox.mailauth.resolver import Resolver
from pillarbox.reports.counts import Counts, Day
from pillarbox.reports.days import DAY, begin_of
from pillarbox.reports.dmarc_counts import MailRow, published, read_mark, report_row
from pillarbox.reports.message import PackedReport
from pillarbox.reports.sending import Identity, Prepared, Target

__all__ = ["DmarcReports"]

_MOST: Final = 10 * 1024 * 1024  # octets packed: what a mailbox takes (RFC 9990 §3.5.2)
_MOST_ROWS: Final = 20_000  # of all nodes together

NewFinder = Callable[[], Finder]


@dataclass(frozen=True, slots=True)
class DmarcReports:
    """Makes DMARC reports."""

    counts: Counts[MailRow]
    resolver: Resolver
    identity: Identity
    new_finder: NewFinder  # finds organizational domains as the judges do
    form: ReportForm = ReportForm.RFC9990
    kind: str = "dmarc"

    async def prepare(self, day: str, domain: str, counted: Day[MailRow]) -> Prepared:
        """Find out who wants a report and may have it, and make it."""
        read = read_mark(counted.mark)
        if read is None or not counted.rows:
            return Prepared()
        record, discovery = read
        found = await report_destinations(record, domain, self.resolver, self.new_finder())
        unknown = [each.reason for each in found if each.is_allowed is None]
        if unknown:
            return Prepared(open=unknown[0])

        def build(most: int | None) -> PackedReport:
            return self._build(day, domain, record, discovery, counted, most)

        return Prepared(
            targets=tuple(
                Target(each.address.uri, each.address.max_size) for each in found if each.is_allowed
            ),
            refused=tuple((each.address.uri, each.reason) for each in found if not each.is_allowed),
            build=build,
            messages=sum(count for _, count in counted.rows) + counted.overflow,
        )

    def _build(
        self,
        day: str,
        domain: str,
        record: Record,
        discovery: str,
        counted: Day[MailRow],
        most: int | None,
    ) -> PackedReport:
        """Make a report that is small enough: where it must, it keeps the most frequent rows."""
        most = min(most or _MOST, _MOST)
        rows = counted.rows[:_MOST_ROWS]
        while True:
            kept = sum(count for _, count in rows)
            left_out = sum(count for _, count in counted.rows) + counted.overflow - kept
            made = self._pack(day, domain, record, discovery, rows, left_out)
            if len(made.content) <= most or len(rows) <= 1:
                return made
            rows = rows[: max(len(rows) * 2 // 3, 1)]

    def _pack(
        self,
        day: str,
        domain: str,
        record: Record,
        discovery: str,
        rows: Sequence[tuple[MailRow, int]],
        left_out: int,
    ) -> PackedReport:
        who, begin = self.identity, begin_of(day)
        unique = hashlib.sha256(f"{day}\0{domain}\0{who.domain}".encode()).hexdigest()[:16]
        report = Report(
            organization=who.organization,
            email=str(who.sender),
            contact=who.contact,
            report_id=f"{day.replace('-', '')}{unique}@{who.domain}",
            begin=begin,
            end=begin + DAY - 1,
            policy=published(domain, record, discovery),
            rows=tuple(report_row(row, count) for row, count in rows),
            generator=f"pillarbox {__version__}",
            errors=(f"{left_out} messages are left out for size",) if left_out else (),
        )
        file = pack_report(report, build_report(report, self.form), receiver=who.domain)
        return PackedReport(
            domain=domain,
            submitter=who.domain,
            report_id=report.report_id,
            filename=file.name,
            media_type=file.media_type,
            content=file.content,
            text=(
                f"This is the DMARC aggregate report of {who.domain} about mail that says\n"
                f"it is from {domain}, on {day} (UTC): {report.messages} messages,\n"
                f"of which {report.passed} pass. It is attached as XML (RFC 9990).\n"
            ),
        )
